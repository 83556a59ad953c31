import { createHash } from "node:crypto"

/** Git's id of a blob: SHA-1, or SHA-256 where the id it is held against is that long. */
const blobId = (bytes: Uint8Array, hexDigits: number): string =>
  createHash(hexDigits > 40 ? "sha256" : "sha1")
    .update(`blob ${bytes.length}\0`)
    .update(bytes)
    .digest("hex")

/** Whether `oid` (perhaps abbreviated) is the id of the file; zeros are the id of no file. */
export const isBlob = (bytes: Uint8Array | null, oid: string): boolean =>
  /^0+$/.test(oid) ? bytes === null : bytes !== null && blobId(bytes, oid.length).startsWith(oid)
