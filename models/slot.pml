/* The certified slot of one epoch, for Spin. models/README.md says what it means and how to run it.
 *
 * Clients do not appear: a relay takes any step that the most malicious client could justify with what
 * has been signed so far. LIARS relays do not appear either: they have signed everything. What is left
 * is the state of the HONEST ones. Two values, ROUNDS rounds; the assertion is agreement.
 */
#ifndef N
#define N 4
#define Q 3
#define LIARS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

/* Each mutant drops one check of the relay; every one must break agreement. */
#ifndef MUTANT
#define MUTANT 0
#endif
#define VOTE1_BELOW_PROMISE 1
#define VOTE2_BELOW_PROMISE 2
#define NO_JUSTIFICATION 3
#define NO_LOCK_CERTIFICATE 4
#define FORGED_LOCK 5

#define HONEST (N - LIARS)
#define AT(relay, round) ((relay) * ROUNDS + (round))

byte promised[HONEST];
byte vote1[HONEST * ROUNDS];            /* 0: none; 1, 2: the value */
byte vote2[HONEST * ROUNDS];
byte lock_round[HONEST];                /* round + 1; 0: no lock */
byte lock_value[HONEST];
bool said[HONEST * ROUNDS];             /* whether this round was promised, and the lock then shown */
byte said_round[HONEST * ROUNDS];
byte said_value[HONEST * ROUNDS];

/* total = how many relays' votes for `value` in `round` a client can show */
#define COUNT(votes, round, value) \
    d_step { \
        total = LIARS; k = 0; \
        do \
        :: k < HONEST -> total = total + (votes[AT(k, round)] == value); k++ \
        :: else -> break \
        od \
    }

/* ok = whether q promises of round r can be shown whose highest lock is none, or one on v */
inline justify() {
    d_step {
        ok = (MUTANT == NO_JUSTIFICATION); top = 0;
        do
        :: top <= ROUNDS ->
            promises = LIARS; shown = (top == 0); k = 0;
            do
            :: k < HONEST ->
                if
                :: said[AT(k, r)] && said_round[AT(k, r)] <= top ->
                    promises++;
                    if
                    :: said_round[AT(k, r)] == top && said_value[AT(k, r)] == v -> shown = 1
                    :: else
                    fi
                :: else
                fi;
                k++
            :: else -> break
            od;
            if
            :: LIARS > 0 && top > 0 && top - 1 < r ->
                /* A liar may show any lock that has its certificate. */
                total = LIARS; k = 0;
                do
                :: k < HONEST -> total = total + (vote1[AT(k, top - 1)] == v); k++
                :: else -> break
                od;
                if
                :: total >= Q || MUTANT == FORGED_LOCK -> shown = 1
                :: else
                fi
            :: else
            fi;
            if
            :: promises >= Q && shown -> ok = 1
            :: else
            fi;
            top++
        :: else -> break
        od
    }
}

active proctype relays() {
    byte i, r, v, k, top, total, promises;
    bool ok, shown, one, two;
    do
    :: atomic {
        i = 0; do :: i + 1 < HONEST -> i++ :: break od;
        r = 0; do :: r + 1 < ROUNDS -> r++ :: break od;
        v = 1; do :: v < 2 -> v++ :: break od;
        if
        /* NEWROUND */
        :: r > promised[i] ->
            promised[i] = r;
            said[AT(i, r)] = 1; said_round[AT(i, r)] = lock_round[i]; said_value[AT(i, r)] = lock_value[i]
        /* LOCK */
        :: vote1[AT(i, r)] == 0 && (promised[i] <= r || MUTANT == VOTE1_BELOW_PROMISE) ->
            if
            :: r == 0 -> ok = 1
            :: else -> justify()
            fi;
            if
            :: ok ->
                vote1[AT(i, r)] = v;
                promised[i] = r
            :: else
            fi
        /* COMMIT */
        :: vote2[AT(i, r)] == 0 && (promised[i] <= r || MUTANT == VOTE2_BELOW_PROMISE) ->
            COUNT(vote1, r, v);
            if
            :: total >= Q || MUTANT == NO_LOCK_CERTIFICATE ->
                vote2[AT(i, r)] = v; lock_round[i] = r + 1; lock_value[i] = v;
                promised[i] = r
            :: else
            fi
        :: else
        fi;
        /* Agreement: not both values have a decision certificate. */
        one = 0; two = 0; r = 0;
        do
        :: r < ROUNDS ->
            COUNT(vote2, r, 1); one = one || total >= Q;
            COUNT(vote2, r, 2); two = two || total >= Q;
            r++
        :: else -> break
        od;
        assert(!(one && two));
        /* Nothing but the relays is state. */
        i = 0; r = 0; v = 0; k = 0; top = 0; total = 0; promises = 0; ok = 0; shown = 0; one = 0; two = 0
    }
    od
}
