import * as v from "valibot"

/** Identifiers people and agents choose: they name files and appear in git trailers, so the alphabet is narrow. */
const Identifier = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/,
    "must start with a letter or digit and hold only letters, digits, '.', '_', ':' and '-' (at most 128)",
  ),
)

export const RequestId = v.pipe(Identifier, v.brand("RequestId"))
export type RequestId = v.InferOutput<typeof RequestId>

export const TaskId = v.pipe(Identifier, v.brand("TaskId"))
export type TaskId = v.InferOutput<typeof TaskId>

/** `cast-` and the first 16 hex digits of the cast's checksum. */
export const CastId = v.pipe(v.string(), v.regex(/^cast-[0-9a-f]{16}$/), v.brand("CastId"))
export type CastId = v.InferOutput<typeof CastId>

export const GuardId = v.pipe(Identifier, v.brand("GuardId"))
export type GuardId = v.InferOutput<typeof GuardId>

/** Row number of an entry: the order in which casts were accepted. */
export const EntryId = v.pipe(v.number(), v.integer(), v.minValue(1), v.brand("EntryId"))
export type EntryId = v.InferOutput<typeof EntryId>

/** Grows with every lease of the whole queue; a write that carries an older one is refused. */
export const FencingToken = v.pipe(v.number(), v.integer(), v.minValue(1), v.brand("FencingToken"))
export type FencingToken = v.InferOutput<typeof FencingToken>

/** Who works: an agent's or a person's name as shown. One line, no control characters. */
export const AgentName = v.pipe(
  v.string(),
  v.minLength(1, "must not be empty"),
  v.maxLength(128, "must be at most 128 characters"),
  v.regex(/^[^\u0000-\u001f\u007f-\u009f]+$/, "must not contain control characters"),
)

export const Sha256Hex = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, "must be 64 lowercase hex digits (SHA-256)"),
)
export const GitOid = v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/, "must be a full 40-digit git object id"))
