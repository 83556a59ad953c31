import canonicalize from "canonicalize"

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** SHA-256 as 64 lowercase hex digits; a string is hashed as its UTF-8 bytes. */
export const sha256Hex = (data: Uint8Array | string): string =>
  new Bun.CryptoHasher("sha256").update(data as Bun.BlobOrStringOrBuffer).digest("hex")

/**
 * Canonical JSON (RFC 8785). Throws on lone surrogates, NaN and infinities: such a value has no canonical form, and
 * the strict reader never lets one in.
 */
export const canonicalJson = (value: unknown): string => {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError("value has no canonical JSON form")
  return text
}

export const canonicalDigest = (value: unknown): string => sha256Hex(canonicalJson(value))
