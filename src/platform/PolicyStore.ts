import { readFileSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sha256Hex } from "../domain/hash.ts"
import { DEFAULT_POLICY, type Policy } from "../domain/policy.ts"
import { type PolicyDocument, parsePolicy } from "../domain/policy-document.ts"
import { told, type Violation } from "../domain/violation.ts"
import { auditAppender } from "./audit-append.sql.ts"
import { Database, type DatabaseError } from "./Database.ts"
import { GET_META, SET_META } from "./meta.sql.ts"
import { CurrentWorkspace, POLICY_FILE } from "./Workspace.ts"

/** `hyperion.json` is malformed or says something we do not know. Nothing runs on a half-understood policy. */
export class PolicyInvalid extends Data.TaggedError("PolicyInvalid")<{
  readonly source: PolicySource
  readonly violations: readonly Violation[]
}> {
  override get message(): string {
    const [first, ...rest] = this.violations
    const where = this.source === "base" ? `${POLICY_FILE} of the base commit` : POLICY_FILE
    const what = first === undefined ? "is invalid" : told(first)
    return `${where}: ${what}${rest.length > 0 ? ` (and ${rest.length} more)` : ""}`
  }
}

/** The workspace's policy is not the one a person trusted last. */
export class PolicyUntrusted extends Data.TaggedError("PolicyUntrusted")<{
  readonly found: string | null
  readonly trusted: string
}> {
  override get message(): string {
    return this.found === null
      ? `${POLICY_FILE} is gone since it was last trusted`
      : `${POLICY_FILE} was edited since it was last trusted`
  }
}

export class PolicyUnreadable extends Data.TaggedError("PolicyUnreadable")<{
  readonly file: string
  readonly code: string
}> {
  override get message(): string {
    return `cannot read ${this.file}: ${this.code}`
  }
}

export type PolicyError = PolicyInvalid | PolicyUntrusted | PolicyUnreadable

/** `base`: tracked in the tree being changed; `workspace`: the file beside `.hyperion`; `default`: there is none. */
export type PolicySource = "base" | "workspace" | "default"

export interface LoadedPolicy {
  readonly policy: Policy
  readonly source: PolicySource
  readonly digest: string | null
  /** Keys the file sets itself, without defaults. */
  readonly given: Record<string, unknown>
}

export interface PolicyStoreShape {
  /**
   * The policy that judges a change: the base tree's file where it is tracked (`tracked` gives its bytes), else the
   * workspace's file if it is the one last trusted.
   */
  readonly load: <E>(
    tracked: Effect.Effect<Uint8Array | null, E>,
  ) => Effect.Effect<LoadedPolicy, PolicyError | DatabaseError | E>
  /**
   * Records the workspace's file as trusted; refuses a malformed one, and one whose digest is not `expected`: what was
   * shown to a person must be what they trust.
   */
  readonly trust: (
    actor: string,
    expected?: string,
  ) => Effect.Effect<PolicyDocument, PolicyError | DatabaseError>
  /** What was last trusted; null when nothing was. `text` is null where only its digest is known. */
  readonly lastTrusted: () => Effect.Effect<
    { readonly digest: string; readonly text: string | null } | null,
    DatabaseError
  >
  /** The workspace's file as it is now, parsed but not trusted: to be shown, never to judge by. */
  readonly inspect: () => Effect.Effect<PolicyDocument, PolicyError>
  /** The workspace's file as it is now, trusted or not. */
  readonly workingCopy: () => Effect.Effect<Uint8Array | null, PolicyUnreadable>
}

const TRUSTED = "policy_trusted"
/** The trusted file itself, so that the next edit can be shown against it. */
const TRUSTED_TEXT = "policy_trusted_text"

const make = Effect.gen(function* () {
  const database = yield* Database
  const workspace = yield* CurrentWorkspace

  const workingCopy: PolicyStoreShape["workingCopy"] = () =>
    Effect.try({
      try: () => readFileSync(workspace.policyFile),
      catch: (error) => (error as { code?: string }).code ?? "UNKNOWN",
    }).pipe(
      Effect.catchAll((code) =>
        code === "ENOENT" ? Effect.succeed(null) : new PolicyUnreadable({ file: workspace.policyFile, code }),
      ),
    )

  const parse = (bytes: Uint8Array, source: PolicySource) => {
    const parsed = parsePolicy(bytes)
    return parsed.ok
      ? Effect.succeed(parsed.value)
      : Effect.fail(new PolicyInvalid({ source, violations: parsed.error }))
  }

  const meta = (key: string) =>
    database.read((db) => db.query<{ value: string }, [string]>(GET_META).get(key)?.value ?? null)
  const trustedDigest = meta(TRUSTED)

  const lastTrusted: PolicyStoreShape["lastTrusted"] = () =>
    Effect.gen(function* () {
      const digest = yield* trustedDigest
      if (digest === null) return null
      const text = yield* meta(TRUSTED_TEXT)
      return { digest, text: text !== null && sha256Hex(text) === digest ? text : null }
    })

  const load: PolicyStoreShape["load"] = (tracked) =>
    Effect.gen(function* () {
      const base = yield* tracked
      if (base !== null) {
        const { policy, digest, given } = yield* parse(base, "base")
        return { policy, source: "base" as const, digest, given }
      }
      const trusted = yield* trustedDigest
      const bytes = yield* workingCopy()
      if (bytes === null) {
        if (trusted !== null) return yield* new PolicyUntrusted({ found: null, trusted })
        return { policy: DEFAULT_POLICY, source: "default" as const, digest: null, given: {} }
      }
      const { policy, digest, given } = yield* parse(bytes, "workspace")
      if (digest !== trusted) return yield* new PolicyUntrusted({ found: digest, trusted: trusted ?? "none" })
      return { policy, source: "workspace" as const, digest, given }
    })

  const trust: PolicyStoreShape["trust"] = Effect.fn("PolicyStore.trust")(function* (actor, expected) {
    const bytes = yield* workingCopy()
    if (bytes === null) return yield* new PolicyUnreadable({ file: workspace.policyFile, code: "ENOENT" })
    const document = yield* parse(bytes, "workspace")
    if (expected !== undefined && document.digest !== expected)
      return yield* new PolicyUntrusted({ found: document.digest, trusted: expected })
    const at = yield* Clock.currentTimeMillis
    yield* database.write(
      (db) => {
        db.query(SET_META).run(TRUSTED, document.digest)
        db.query(SET_META).run(TRUSTED_TEXT, new TextDecoder().decode(bytes))
        auditAppender(db, at).append({
          event: "policy_trusted",
          actor,
          subject: POLICY_FILE,
          data: { digest: document.digest },
        })
      },
      { durable: true },
    )
    return document
  })

  const inspect: PolicyStoreShape["inspect"] = Effect.fn("PolicyStore.inspect")(function* () {
    const bytes = yield* workingCopy()
    if (bytes === null) return yield* new PolicyUnreadable({ file: workspace.policyFile, code: "ENOENT" })
    return yield* parse(bytes, "workspace")
  })

  return { load, trust, inspect, lastTrusted, workingCopy } satisfies PolicyStoreShape
})

/** Finds the policy that may judge, and refuses one that nobody trusted. */
export class PolicyStore extends Context.Tag("hyperion/platform/PolicyStore")<
  PolicyStore,
  PolicyStoreShape
>() {
  static readonly layer = Layer.effect(PolicyStore, make)
}
