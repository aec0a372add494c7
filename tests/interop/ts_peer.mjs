// Hosts many ts-mls members in one process; tests/interop/ts.py drives it.
//
// One JSON object a line on stdin, one answer with its id a line on stdout. Bytes travel as hex, and
// everything that another member would see is the encoding of an MLSMessage.
//
// ts-mls keeps a member's state in an immutable value. What its public functions cannot do (an Update
// proposal with a new key, an external_pub as RFC 9420 writes it, a cipher suite of one's own) is put
// together here from the modules it exports; docs/interop.md lists each case. Nothing of it is patched.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const [root, seed] = process.argv.slice(2);
const find = createRequire(resolve(root, "peer.cjs"));
const load = (name) => import(pathToFileURL(find.resolve(name)));

// GREASE in capabilities is drawn from Math.random: a seed makes a run repeatable.
let drawn = Number(seed ?? 1) >>> 0;
Math.random = () => {
  drawn = (Math.imul(drawn, 1664525) + 1013904223) >>> 0;
  return drawn / 2 ** 32;
};

const mls = await load("ts-mls");
const { createGroupInfo } = await load("ts-mls/createCommit.js");
const { encodeGroupContext } = await load("ts-mls/groupContext.js");
const { encodeRatchetTree, decodeRatchetTree } = await load("ts-mls/ratchetTree.js");
const { signLeafNodeCommit: signLeafNode } = await load("ts-mls/leafNode.js");
const { makeGenericHpke } = await load("ts-mls/crypto/implementation/hpke.js");
const { makeAead } = await load("ts-mls/crypto/implementation/default/makeAead.js");
const { makeKdf } = await load("ts-mls/crypto/implementation/default/makeKdfImpl.js");

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const bytes = (text) => new Uint8Array(Buffer.from(text, "hex"));
const base64 = (data) => mls.bytesToBase64(data);

// A length as RFC 9420, 2.1.2 writes it.
const prefix = (length) =>
  length < 64 ? Uint8Array.of(length) : Uint8Array.of(0x40 | (length >> 8), length & 0xff);
const opaque = (data) => Uint8Array.of(...prefix(data.length), ...data);

// ---------------------------------------------------------------------------------------------
// Cipher suites

// hpke-pq, DeriveKeyPair: SHAKE256.LabeledDerive(ikm, "DeriveKeyPair", "", Nsk). The libraries below
// ts-mls use SHAKE256(ikm, 32) for X-Wing and the bare ikm for ML-KEM, so a suite that shall talk to
// anybody else needs its own.
function labeledDerive(kemId, ikm, length) {
  const u16 = (n) => Buffer.of(n >> 8, n & 0xff);
  const label = Buffer.from("DeriveKeyPair");
  return new Uint8Array(
    createHash("shake256", { outputLength: length })
      .update(ikm)
      .update("HPKE-v1")
      .update(Buffer.concat([Buffer.from("KEM"), u16(kemId)]))
      .update(Buffer.concat([u16(label.length), label, u16(length)]))
      .digest(),
  );
}

const kems = {
  "X-Wing": async () => {
    const { XWing } = await load("@hpke/hybridkem-x-wing");
    return new (class extends XWing {
      deriveKeyPair(ikm) {
        return this.generateKeyPairDerand(labeledDerive(0x647a, new Uint8Array(ikm), 32));
      }
    })();
  },
  "ML-KEM-768": async () => mlKem((await load("@hpke/ml-kem")).MlKem768, 0x0041),
  "ML-KEM-1024": async () => mlKem((await load("@hpke/ml-kem")).MlKem1024, 0x0042),
  "MLKEM768-P256": async () =>
    new NistHybrid(0x0050, "MLKEM768-P256", (await load("@noble/post-quantum/ml-kem.js")).ml_kem768,
      (await load("@noble/curves/nist.js")).p256, [1088 + 65, 1184 + 65], 4),
  "MLKEM1024-P384": async () =>
    new NistHybrid(0x0051, "MLKEM1024-P384", (await load("@noble/post-quantum/ml-kem.js")).ml_kem1024,
      (await load("@noble/curves/nist.js")).p384, [1568 + 97, 1568 + 97], 1),
};

const mlKem = (base, id) =>
  new (class extends base {
    async deriveKeyPair(ikm) {
      await this._setup();
      return super.deriveKeyPair(labeledDerive(id, new Uint8Array(ikm), 64).buffer);
    }
  })();

// ML-KEM and a NIST curve after draft-irtf-cfrg-concrete-hybrid-kems: @noble has the parts, nobody
// the whole. A private key is a seed of 32 bytes.
class NistHybrid {
  auth = false;
  secretSize = 32;
  privateKeySize = 32;

  constructor(id, name, pq, curve, [encSize, publicKeySize], scalars) {
    Object.assign(this, { id, name, pq, curve, encSize, publicKeySize, scalars });
    this.scalarSize = curve.lengths.secretKey;
    this.pqSizes = { public: publicKeySize - curve.lengths.publicKeyUncompressed };
    this.pqSizes.enc = encSize - curve.lengths.publicKeyUncompressed;
  }

  scalar(wide) {
    for (let at = 0; at < wide.length; at += this.scalarSize) {
      const candidate = wide.subarray(at, at + this.scalarSize);
      if (this.curve.utils.isValidSecretKey(candidate)) return candidate;
    }
    throw new Error("no scalar in the seed");
  }

  open(seed) {
    const length = 64 + this.scalars * this.scalarSize;
    const wide = new Uint8Array(createHash("shake256", { outputLength: length }).update(seed).digest());
    const scalar = this.scalar(wide.subarray(64));
    return { pq: this.pq.keygen(wide.subarray(0, 64)), scalar, point: this.curve.getPublicKey(scalar, false) };
  }

  combine(pqSecret, scalar, point, groupEnc, groupPublic) {
    const shared = this.curve.getSharedSecret(scalar, point, false).subarray(1, 1 + this.scalarSize);
    const hash = createHash("sha3-256").update(pqSecret).update(shared);
    return new Uint8Array(hash.update(groupEnc).update(groupPublic).update(this.name).digest()).buffer;
  }

  pair(seed) {
    const { pq, point } = this.open(seed);
    const bytes = Uint8Array.of(...pq.publicKey, ...point);
    return { privateKey: { type: "private", bytes: seed }, publicKey: { type: "public", bytes } };
  }

  generateKeyPair = async () => this.pair(crypto.getRandomValues(new Uint8Array(32)));
  deriveKeyPair = async (ikm) => this.pair(labeledDerive(this.id, new Uint8Array(ikm), 32));
  serializePublicKey = async (key) => key.bytes.slice().buffer;
  serializePrivateKey = async (key) => key.bytes.slice().buffer;
  deserializePublicKey = async (data) => ({ type: "public", bytes: new Uint8Array(data) });
  deserializePrivateKey = async (data) => ({ type: "private", bytes: new Uint8Array(data) });

  async encap({ recipientPublicKey: { bytes } }) {
    const [pqPublic, point] = [bytes.subarray(0, this.pqSizes.public), bytes.subarray(this.pqSizes.public)];
    const { cipherText, sharedSecret } = this.pq.encapsulate(pqPublic);
    const scalar = this.curve.utils.randomSecretKey();
    const groupEnc = this.curve.getPublicKey(scalar, false);
    const enc = Uint8Array.of(...cipherText, ...groupEnc).buffer;
    return { enc, sharedSecret: this.combine(sharedSecret, scalar, point, groupEnc, point) };
  }

  async decap({ recipientKey, enc }) {
    const all = new Uint8Array(enc);
    const own = this.open(recipientKey.bytes);
    const groupEnc = all.subarray(this.pqSizes.enc);
    const pqSecret = this.pq.decapsulate(all.subarray(0, this.pqSizes.enc), own.pq.secretKey);
    return this.combine(pqSecret, own.scalar, groupEnc, groupEnc, own.point);
  }
}

async function mlDsa(name) {
  const module = await load("@noble/post-quantum/ml-dsa.js");
  const scheme = module[name];
  return {
    sign: async (key, message) => scheme.sign(message, key),
    verify: async (key, message, signature) => scheme.verify(signature, message, key),
    async keygen() {
      const pair = scheme.keygen(crypto.getRandomValues(new Uint8Array(32)));
      return { signKey: pair.secretKey, publicKey: pair.publicKey };
    },
  };
}

// A suite ts-mls does not know: { id, kem, kdf, aead, hash, signature } through its own provider
// interface. Its codec carries unknown suite numbers as decimal strings, which is all it needs.
async function customSuite(spec) {
  const dsa = /^ml_dsa/.test(spec.signature);
  const hpke = { kem: "X-Wing", kdf: spec.kdf, aead: spec.aead }; // the KEM is replaced below
  const impl = await mls.defaultCryptoProvider.getCiphersuiteImpl({
    hash: spec.hash,
    hpke,
    signature: dsa ? "Ed25519" : spec.signature,
    name: String(spec.id),
  });
  const { CipherSuite } = await load("@hpke/core");
  const [aead, aeadInterface] = await makeAead(spec.aead);
  const suite = new CipherSuite({ kem: await kems[spec.kem](), kdf: makeKdf(spec.kdf), aead: aeadInterface });
  return {
    ...impl,
    hpke: await makeGenericHpke(hpke, aead, suite),
    signature: dsa ? await mlDsa(spec.signature) : impl.signature,
  };
}

// RFC 9420, 5.1.1 wants ECDSA keys as uncompressed points; ts-mls takes both and makes compressed ones.
async function uncompressed(signature, name) {
  const curve = (await load("@noble/curves/nist.js"))[name.toLowerCase()];
  if (curve === undefined) return signature;
  return {
    ...signature,
    async keygen() {
      const { signKey } = await signature.keygen();
      return { signKey, publicKey: curve.getPublicKey(signKey, false) };
    },
  };
}

const suites = new Map();

async function suiteOf(spec) {
  if (!suites.has(spec.id)) {
    const name = Object.entries(mls.ciphersuites).find(([, id]) => id === spec.id)?.[0];
    const known = name && mls.getCiphersuiteFromName(name);
    const impl = known ? await mls.getCiphersuiteImpl(known) : await customSuite(spec);
    impl.signature = await uncompressed(impl.signature, known ? known.signature : spec.signature);
    const sample = await impl.hpke.generateKeyPair();
    const size = (await impl.hpke.exportPublicKey(sample.publicKey)).length;
    suites.set(spec.id, { impl, joining: unwrapping(impl, size) });
  }
  return suites.get(spec.id);
}

// external_pub holds an HPKEPublicKey<V>, so its data begins with a length; ts-mls hands the whole of
// it to importPublicKey. This takes the length off, for joinGroupExternal only.
function unwrapping(impl, size) {
  const extra = prefix(size).length;
  const importPublicKey = (key) =>
    impl.hpke.importPublicKey(key.length === size + extra ? key.subarray(extra) : key);
  return { ...impl, hpke: { ...impl.hpke, importPublicKey } };
}

// ---------------------------------------------------------------------------------------------
// Messages

const encode = (wireformat, field, value) =>
  hex(mls.encodeMlsMessage({ version: "mls10", wireformat, [field]: value }));

function decode(text, wireformat) {
  const data = bytes(text);
  const result = mls.decodeMlsMessage(data, 0);
  if (result === undefined) throw new Error("not an MLSMessage");
  const [message, length] = result;
  if (length !== data.length) throw new Error("bytes after the MLSMessage");
  if (wireformat !== undefined && message.wireformat !== wireformat)
    throw new Error(`expected ${wireformat}, not ${message.wireformat}`);
  return message;
}

const decodeTree = (text) => (text === null ? undefined : decodeRatchetTree(bytes(text), 0)[0]);

// ---------------------------------------------------------------------------------------------
// Members

class Member {
  constructor(suite, signature, options) {
    this.suite = suite;
    this.cs = suite.impl;
    this.signature = signature;
    this.credential = { credentialType: "basic", identity: bytes(options.identity) };
    this.now = BigInt(options.now);
    this.packages = [];
    this.psks = {};
    this.state = undefined;
    this.pending = undefined; // the state after a commit of our own that nobody has accepted yet
    this.update = undefined; // { leaf, key }: an Update proposal of our own in this epoch
  }

  static async make({ suite, identity, now }) {
    const found = await suiteOf(suite);
    return new Member(found, await found.impl.signature.keygen(), { identity, now });
  }

  // A second client with the same identity and the same state.
  fork() {
    const copy = Object.assign(Object.create(Member.prototype), this);
    copy.packages = [];
    return copy;
  }

  async newKeyPackage() {
    const capabilities = mls.defaultCapabilities();
    if (!capabilities.ciphersuites.includes(this.cs.name)) capabilities.ciphersuites.push(this.cs.name);
    const lifetime = { notBefore: this.now - 3600n, notAfter: this.now + 28n * 86400n };
    return mls.generateKeyPackageWithKey(this.credential, capabilities, lifetime, [], this.signature, this.cs);
  }

  async keyPackage() {
    const made = await this.newKeyPackage();
    this.packages.push(made);
    return encode("mls_key_package", "keyPackage", made.publicPackage);
  }

  pskIndex() {
    return mls.makePskIndex(this.state, this.psks);
  }

  psk({ name, secret }) {
    this.psks[base64(bytes(name))] = bytes(secret);
  }

  enter(state) {
    this.state = state;
    this.pending = undefined;
    this.update = undefined;
  }

  async create({ groupId }) {
    const own = await this.newKeyPackage();
    this.enter(await mls.createGroup(bytes(groupId), own.publicPackage, own.privatePackage, [], this.cs));
  }

  async join({ welcome, tree, from }) {
    const decoded = decode(welcome, "mls_welcome").welcome;
    let failure = new Error("no key package");
    for (const own of this.packages) {
      try {
        const psks = mls.makePskIndex(from ? this.state : undefined, this.psks);
        const state = await mls.joinGroup(
          decoded, own.publicPackage, own.privatePackage, psks, this.cs, decodeTree(tree), from ? this.state : undefined,
        );
        this.packages = this.packages.filter((p) => p !== own);
        return this.enter(state);
      } catch (error) {
        // The Welcome names one of our packages; the others fail with this sentence.
        if (!/No matching secret/.test(error.message)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  proposal({ kind, keyPackage, index, id, extensions }) {
    switch (kind) {
      case "add":
        return { proposalType: "add", add: { keyPackage: decode(keyPackage, "mls_key_package").keyPackage } };
      case "remove":
        return { proposalType: "remove", remove: { removed: index } };
      case "psk": {
        const pskNonce = this.cs.rng.randomBytes(this.cs.kdf.size);
        return { proposalType: "psk", psk: { preSharedKeyId: { psktype: "external", pskId: bytes(id), pskNonce } } };
      }
      case "group_context_extensions":
        return {
          proposalType: kind,
          groupContextExtensions: {
            extensions: extensions.map(([type, data]) => ({ extensionType: type, extensionData: bytes(data) })),
          },
        };
    }
    throw new Error(`no such proposal: ${kind}`);
  }

  // A committer's own Update has no place in its commit (RFC 9420, 12.2); ts-mls would include it.
  withoutOwnUpdate() {
    if (this.update === undefined) return this.state;
    const kept = Object.entries(this.state.unappliedProposals).filter(
      ([, p]) => !(p.proposal.proposalType === "update" && p.senderLeafIndex === this.state.privatePath.leafIndex),
    );
    return { ...this.state, unappliedProposals: Object.fromEntries(kept) };
  }

  async commit({ proposals, publicMessage, treeInWelcome }) {
    const result = await mls.createCommit(
      { state: this.withoutOwnUpdate(), pskIndex: this.pskIndex(), cipherSuite: this.cs },
      {
        wireAsPublicMessage: publicMessage,
        extraProposals: proposals.map((p) => this.proposal(p)),
        ratchetTreeExtension: treeInWelcome,
      },
    );
    return this.staged(result);
  }

  staged({ newState, commit, welcome }) {
    this.pending = newState;
    return {
      message: hex(mls.encodeMlsMessage(commit)),
      welcome: welcome === undefined ? null : encode("mls_welcome", "welcome", welcome),
      tree: hex(encodeRatchetTree(newState.ratchetTree)),
    };
  }

  merge() {
    if (this.pending === undefined) throw new Error("nothing is pending");
    this.enter(this.pending);
  }

  discard() {
    this.pending = undefined;
  }

  async propose({ proposal, publicMessage }) {
    const made = proposal.kind === "update" ? await this.newUpdate() : this.proposal(proposal);
    const { newState, message } = await mls.createProposal(this.state, publicMessage, made, this.cs);
    this.state = newState;
    return hex(mls.encodeMlsMessage(message));
  }

  async newUpdate() {
    const { privateKey, publicKey } = await this.cs.hpke.generateKeyPair();
    const leafIndex = this.state.privatePath.leafIndex;
    const old = this.state.ratchetTree[2 * leafIndex].leaf;
    const tbs = {
      leafNodeSource: "update",
      hpkePublicKey: await this.cs.hpke.exportPublicKey(publicKey),
      signaturePublicKey: old.signaturePublicKey,
      credential: old.credential,
      capabilities: old.capabilities,
      extensions: old.extensions,
      groupId: this.state.groupContext.groupId,
      leafIndex,
    };
    const leafNode = await signLeafNode(tbs, this.signature.signKey, this.cs.signature);
    this.update = { public: hex(tbs.hpkePublicKey), key: await this.cs.hpke.exportPrivateKey(privateKey) };
    return { proposalType: "update", update: { leafNode } };
  }

  async process({ message }) {
    const decoded = decode(message);
    // A commit that carries our own Update is opened with the key of that Update. ts-mls shows the
    // proposals of a commit to a callback before it looks for keys; the path is a copy, so a commit
    // that fails leaves the state as it was.
    const privatePath = {
      ...this.state.privatePath,
      privateKeys: { ...this.state.privatePath.privateKeys },
    };
    const seen = (incoming) => {
      const ours = ({ proposal }) =>
        proposal.proposalType === "update" && hex(proposal.update.leafNode.hpkePublicKey) === this.update?.public;
      if (incoming.kind === "commit" && incoming.proposals.some(ours))
        privatePath.privateKeys[2 * privatePath.leafIndex] = this.update.key;
      return "accept";
    };
    const state = { ...this.state, privatePath };
    const before = state.groupContext.epoch;
    let result;
    if (decoded.wireformat === "mls_public_message")
      result = await mls.processPublicMessage(state, decoded.publicMessage, this.pskIndex(), this.cs, seen);
    else if (decoded.wireformat === "mls_private_message")
      result = await mls.processPrivateMessage(state, decoded.privateMessage, this.pskIndex(), this.cs, seen);
    else throw new Error(`cannot process ${decoded.wireformat}`);
    if (result.newState.groupContext.epoch === before) {
      this.state = { ...result.newState, privatePath: this.state.privatePath };
    } else this.enter(result.newState);
    return result.kind === "applicationMessage" ? hex(result.message) : null;
  }

  async protect({ data, authenticated }) {
    const result = await mls.createApplicationMessage(this.state, bytes(data), this.cs, bytes(authenticated));
    this.state = result.newState;
    return encode("mls_private_message", "privateMessage", result.privateMessage);
  }

  async externalPub() {
    const pair = await this.cs.hpke.deriveKeyPair(this.state.keySchedule.externalSecret);
    return this.cs.hpke.exportPublicKey(pair.publicKey);
  }

  async groupInfo() {
    const extensions = [
      { extensionType: "external_pub", extensionData: opaque(await this.externalPub()) },
      { extensionType: "ratchet_tree", extensionData: encodeRatchetTree(this.state.ratchetTree) },
    ];
    const { groupContext, confirmationTag } = this.state;
    const info = await createGroupInfo(groupContext, confirmationTag, this.state, extensions, this.cs);
    return encode("mls_group_info", "groupInfo", info);
  }

  async externalJoin({ groupInfo, tree, resync }) {
    const info = decode(groupInfo, "mls_group_info").groupInfo;
    const own = await this.newKeyPackage();
    const { publicMessage, newState } = await mls.joinGroupExternal(
      info, own.publicPackage, own.privatePackage, resync, this.suite.joining, decodeTree(tree),
    );
    this.pending = newState;
    return encode("mls_public_message", "publicMessage", publicMessage);
  }

  async proposeOwnAdd({ groupInfo }) {
    const info = decode(groupInfo, "mls_group_info").groupInfo;
    const own = await this.newKeyPackage();
    this.packages.push(own);
    return hex(mls.encodeMlsMessage(await mls.proposeAddExternal(info, own.publicPackage, own.privatePackage, this.cs)));
  }

  async branch({ groupId, keyPackages }) {
    const own = await this.newKeyPackage();
    const others = keyPackages.map((p) => decode(p, "mls_key_package").keyPackage);
    return this.staged(
      await mls.branchGroup(this.state, own.publicPackage, own.privatePackage, others, bytes(groupId), this.cs),
    );
  }

  async reinit({ groupId }) {
    return this.staged(await mls.reinitGroup(this.state, bytes(groupId), "mls10", this.cs.name, [], this.cs));
  }

  async reinitialized({ groupId, keyPackages }) {
    const own = await this.newKeyPackage();
    const others = keyPackages.map((p) => decode(p, "mls_key_package").keyPackage);
    return this.staged(
      await mls.reinitCreateNewGroup(
        this.state, own.publicPackage, own.privatePackage, others, bytes(groupId), this.cs.name, [],
        { getCiphersuiteImpl: async () => this.cs },
      ),
    );
  }

  export({ label, context, length }) {
    const secret = this.state.keySchedule.exporterSecret;
    return mls.mlsExporter(secret, label, bytes(context), length, this.cs).then(hex);
  }

  async view() {
    const { groupContext, confirmationTag, keySchedule, privatePath, groupActiveState } = this.state;
    const members = {};
    this.state.ratchetTree.forEach((node, i) => {
      if (node?.nodeType === "leaf") members[i / 2] = hex(node.leaf.credential.identity);
    });
    return {
      active: groupActiveState.kind === "active",
      epoch: Number(groupContext.epoch),
      index: privatePath.leafIndex,
      members,
      groupContext: hex(encodeGroupContext(groupContext)),
      confirmationTag: hex(confirmationTag),
      epochAuthenticator: hex(keySchedule.epochAuthenticator),
      externalPub: hex(await this.externalPub()),
    };
  }
}

// ---------------------------------------------------------------------------------------------
// The loop

// Members work side by side, each on one thing at a time.
const members = new Map();
const busy = new Map();

async function answer({ op, member, ...options }) {
  if (op === "new") members.set(member, await Member.make(options));
  else if (op === "forget") members.delete(member);
  else if (op === "fork") members.set(options.copy, members.get(member).fork());
  else return (await members.get(member)[op](options)) ?? null;
  return null;
}

async function reply(request) {
  let result;
  try {
    result = { value: await answer(request) };
  } catch (error) {
    result = { error: `${error.name}: ${error.message}` };
    if (process.env.HELIOGRAM_TS_TRACE) console.error(error);
  }
  process.stdout.write(JSON.stringify({ id: request.id, ...result }) + "\n");
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  busy.set(request.member, (busy.get(request.member) ?? Promise.resolve()).then(() => reply(request)));
}
