// @ts-check
/** Answers in order: what is shown is never older than what was heard. */

/**
 * Asks one question at a time. Whoever wants it asked while an answer is on its way gets it asked again after that
 * answer, so that the last one is as new as the last wish. Many wishes meanwhile are one.
 * @param {() => Promise<void>} question asks, and takes the answer
 * @returns {() => Promise<void>} wants it asked; throws what the last question threw
 */
export function newest(question) {
  let busy = false;
  let wanted = false;
  return async () => {
    wanted = true;
    if (busy) return;
    busy = true;
    try {
      while (wanted) {
        wanted = false;
        try {
          await question();
        } catch (error) {
          if (!wanted) throw error;
        }
      }
    } finally {
      busy = false;
    }
  };
}

/**
 * Takes answers in the order in which they were asked for: one that is overtaken is older, and is dropped.
 * @template T @param {(answer: T) => void} take
 * @returns {(question: Promise<T>) => Promise<void>} takes the answer to what is asked now; throws what it threw
 */
export function inTurn(take) {
  let asked = 0;
  let taken = 0;
  return async (question) => {
    const mine = ++asked;
    const answer = await question;
    if (mine < taken) return;
    taken = mine;
    take(answer);
  };
}
