import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { DEFAULT_POLICY, type Policy } from "../domain/policy.ts"
import { parsePolicy } from "../domain/policy-document.ts"
import { changedSettings, type Setting, type SettingChange } from "../domain/settings.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import { PolicyInvalid, PolicyStore, PolicyUnreadable } from "../platform/PolicyStore.ts"
import type { Text } from "../platform/Terminal.ts"
import { userConfigFile } from "../platform/user-config.ts"
import { CurrentWorkspace, POLICY_FILE } from "../platform/Workspace.ts"
import { currentBase } from "../worker/base.ts"
import { WrongState } from "./errors.ts"
import { refuseAgent } from "./presence.ts"
import { settingsOf } from "./settings.ts"

/** A question would have to be asked, and there is no terminal to ask it on. */
export class NeedsYes extends Data.TaggedError("NeedsYes")<{ readonly what: string }> {
  override get message(): string {
    return `${this.what} asks first, and stdin and stderr are no terminal`
  }
}

export interface ConfigReport {
  readonly policy: { readonly source: string; readonly digest: string | null }
  readonly user_config: string
  readonly settings: readonly Setting[]
}

/** Every setting in force and where it comes from. */
export const showConfig = Effect.fn("operations.showConfig")(function* () {
  const { policy } = yield* currentBase()
  const { env } = yield* Operator
  const { settings } = yield* settingsOf(policy)
  return {
    policy: { source: policy.source, digest: policy.digest },
    user_config: userConfigFile(env),
    settings,
  } satisfies ConfigReport
})

/** What a person must see before trusting the policy. */
export interface TrustReview {
  readonly file: string
  readonly digest: string
  /** `trusted`: against the file as it was last trusted; `default`: that is not known. */
  readonly compared_with: "trusted" | "default"
  readonly trusted_before: string | null
  readonly changes: readonly SettingChange[]
  /** The base commit has a policy of its own: that one judges, not this file. */
  readonly tracked: boolean
}

export interface TrustScreen {
  readonly render: (review: TrustReview) => Text
  readonly color: boolean
  readonly note: (text: Text) => void
}

export interface TrustReport extends TrustReview {
  /** False when the person said no. */
  readonly trusted: boolean
}

/** Shows what `hyperion.json` changes and records it as trusted when a person agrees. Never inside an agent. */
export const trustPolicy = Effect.fn("operations.trustPolicy")(function* (
  options: { readonly yes: boolean },
  screen: TrustScreen,
) {
  const human = yield* HumanPresence
  const store = yield* PolicyStore
  const { name } = yield* Operator
  const seen = yield* human.look()
  yield* refuseAgent(seen)
  const review = yield* trustReview()
  const report = (trusted: boolean): TrustReport => ({ ...review, trusted })
  if (review.trusted_before === review.digest) return report(true)
  if (options.yes) screen.note(screen.render(review))
  else {
    if (!seen.terminal) return yield* new NeedsYes({ what: "config trust" })
    const answer = yield* human.ask([screen.render(review), "\nTrust it? Type yes: "].flat(), screen)
    if (answer.toLowerCase() !== "yes") return report(false)
  }
  yield* store.trust(name, review.digest).pipe(
    Effect.catchTag(
      "PolicyUntrusted",
      () =>
        new WrongState({
          what: POLICY_FILE,
          state: "not the file that was shown any more: it was edited meanwhile",
          advice: "hyperion config trust",
        }),
    ),
  )
  return report(true)
})

const trustReview = Effect.fn("operations.trustReview")(function* () {
  const store = yield* PolicyStore
  const { policyFile } = yield* CurrentWorkspace
  const bytes = yield* store.workingCopy()
  if (bytes === null) return yield* new PolicyUnreadable({ file: policyFile, code: "ENOENT" })
  const now = parsePolicy(bytes)
  if (!now.ok) return yield* new PolicyInvalid({ source: "workspace", violations: now.error })
  const last = yield* store.lastTrusted()
  const before = last?.text == null ? null : policyOf(last.text)
  return {
    file: policyFile,
    digest: now.value.digest,
    compared_with: before === null ? "default" : "trusted",
    trusted_before: last?.digest ?? null,
    changes: changedSettings(before ?? DEFAULT_POLICY, now.value.policy),
    tracked: yield* isTracked,
  } satisfies TrustReview
})

/** A policy of an earlier version may not parse any more. */
const policyOf = (text: string): Policy | null => {
  const parsed = parsePolicy(new TextEncoder().encode(text))
  return parsed.ok ? parsed.value.policy : null
}

const isTracked = Effect.gen(function* () {
  const git = yield* GitRepository
  const { oid } = yield* git.head
  const entry = oid === null ? null : yield* git.lookup(oid, POLICY_FILE)
  return entry?.mode.startsWith("100") === true
})
