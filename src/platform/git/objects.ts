import { deflateSync } from "node:zlib"

/** 40 lower-case hex digits: the SHA-1 name of a git object. */
export type Oid = string

export type ObjectType = "blob" | "tree" | "commit" | "tag"

/** One git object; `body` without the `type size\0` header. */
export interface GitObject {
  readonly oid: Oid
  readonly type: ObjectType
  readonly body: Uint8Array
}

/** Who and when, as a commit records it. `seconds` since the epoch, `offset` = `±hhmm`. */
export interface Signature {
  readonly name: string
  readonly email: string
  readonly seconds: number
  readonly offset: string
}

export interface Commit {
  readonly tree: Oid
  readonly parents: readonly Oid[]
  readonly author: Signature
  readonly committer: Signature
  readonly message: string
}

/** The tree without entries; git knows it even when no store holds it. */
export const EMPTY_TREE: Oid = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

/** `git update-ref` reads it as "must not exist". */
export const ZERO_OID: Oid = "0".repeat(40)

export const isOid = (text: string): boolean => /^[0-9a-f]{40}$/.test(text)

export const hashObject = (type: ObjectType, body: Uint8Array): Oid =>
  new Bun.CryptoHasher("sha1").update(`${type} ${body.length}\0`).update(body).digest("hex")

export const blobOid = (bytes: Uint8Array): Oid => hashObject("blob", bytes)

export const makeObject = (type: ObjectType, body: Uint8Array): GitObject => ({
  oid: hashObject(type, body),
  type,
  body,
})

/** The bytes of a loose object file: zlib over header and body. Level 1: small and written once. */
export const encodeLoose = (object: GitObject): Uint8Array =>
  deflateSync(Buffer.concat([Buffer.from(`${object.type} ${object.body.length}\0`), object.body]), {
    level: 1,
  })

const CRUD = /^[\x00-\x20.,:;<>"\\']+|[\x00-\x20.,:;<>"\\']+$/g

/** As git does it: no control characters or angle brackets inside, no punctuation around. */
const cleanIdentity = (text: string): string => text.replace(/[\n\0<>]/g, "").replace(CRUD, "")

/** Name, address and time as commits and reflogs write them. */
export const signatureLine = (who: Signature): string =>
  `${cleanIdentity(who.name) || "unknown"} <${cleanIdentity(who.email)}> ${Math.trunc(who.seconds)} ${who.offset}`

/** The body of a commit object. NUL bytes, which `git fsck` refuses, are dropped from the message. */
export const serialiseCommit = (commit: Commit): Uint8Array =>
  Buffer.from(
    [
      `tree ${commit.tree}`,
      ...commit.parents.map((parent) => `parent ${parent}`),
      `author ${signatureLine(commit.author)}`,
      `committer ${signatureLine(commit.committer)}`,
      "",
      commit.message.replaceAll("\0", ""),
    ].join("\n"),
  )

const NOBODY: Signature = { name: "", email: "", seconds: 0, offset: "+0000" }

const parseSignature = (text: string): Signature => {
  const match = /^(.*?) ?<([^>]*)> (\d+) ([+-]\d{4})$/.exec(text)
  if (!match) return NOBODY
  return { name: match[1]!, email: match[2]!, seconds: Number(match[3]), offset: match[4]! }
}

/** Headers git may add (gpgsig, encoding, mergetag) are skipped; a malformed signature reads as nobody at 0. */
export const parseCommit = (body: Uint8Array): Commit | null => {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")
  const split = text.indexOf("\n\n")
  const head = split < 0 ? text.replace(/\n$/, "") : text.slice(0, split)
  let tree: Oid | null = null
  let author = NOBODY
  let committer = NOBODY
  const parents: Oid[] = []
  for (const line of head.split("\n")) {
    const space = line.indexOf(" ")
    const value = line.slice(space + 1)
    const key = line.slice(0, space)
    if (key === "tree") tree = value
    else if (key === "parent") parents.push(value)
    else if (key === "author") author = parseSignature(value)
    else if (key === "committer") committer = parseSignature(value)
  }
  if (tree === null || !isOid(tree)) return null
  return { tree, parents, author, committer, message: split < 0 ? "" : text.slice(split + 2) }
}
