import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Json } from "../domain/hash.ts"
import { effectiveSettings, type SettingProblem } from "../domain/settings.ts"
import { told } from "../domain/violation.ts"
import { Operator } from "../platform/Operator.ts"
import type { LoadedPolicy } from "../platform/PolicyStore.ts"
import { readUserConfig } from "../platform/user-config.ts"

/** The policy, user config, environment and flags together give a setting a value it cannot have. */
export class SettingsInvalid extends Data.TaggedError("SettingsInvalid")<{
  readonly problems: readonly SettingProblem[]
}> {
  override get message(): string {
    const [first] = this.problems
    return first === undefined ? "a setting is invalid" : `${told(first)} (from the ${first.origin})`
  }
}

/** The settings in force: flag > environment > policy > user config > default. */
export const settingsOf = Effect.fn("operations.settingsOf")(function* (
  policy: LoadedPolicy,
  flags: Readonly<Record<string, Json>> = {},
) {
  const { env } = yield* Operator
  const user = yield* readUserConfig(env)
  const effective = effectiveSettings({ policy, user, env, flags })
  return effective.ok ? effective.value : yield* new SettingsInvalid({ problems: effective.error })
})
