import * as Layer from "effect/Layer"
import { type Core, coreLayer } from "./app.ts"
import { linkTargetProblems } from "./domain/path.ts"
import { RequestStore } from "./intake/RequestStore.ts"
import { linkTargetOf } from "./patch/link-target.ts"
import { parsePatch } from "./patch/parse.ts"
import { cacheDir } from "./platform/cache-dir.ts"
import type { DatabaseError } from "./platform/Database.ts"
import type { RepositoryNotFound, RepositoryUnsupported, StoreFailed } from "./platform/git/errors.ts"
import { GitRepository } from "./platform/git/GitRepository.ts"
import { HumanPresence } from "./platform/HumanPresence.ts"
import type { Environment } from "./platform/Terminal.ts"
import type { Workspace } from "./platform/Workspace.ts"
import type { CheckPatch } from "./validator/rule.ts"
import { ValidatorService } from "./validator/ValidatorService.ts"

/** What commands that take documents in need besides: the repository, the validator, stored requests. */
export type Intake = Core | GitRepository | ValidatorService | RequestStore

export type IntakeError = DatabaseError | RepositoryNotFound | RepositoryUnsupported | StoreFailed

export const intakeLayer = (
  workspace: Workspace,
  env: Environment,
  options: { readonly create: boolean } = { create: false },
): Layer.Layer<Intake, IntakeError> =>
  Layer.mergeAll(
    RequestStore.layer,
    ValidatorService.layer(checkPatch),
    GitRepository.layer({ start: workspace.root, cacheDir: cacheDir(env), env }),
  ).pipe(Layer.provideMerge(coreLayer(workspace, env, options)))

/** What a person's decisions need: what they decide about, and whether it is a person. */
export type Deciding = Intake | HumanPresence

export const decidingLayer = (workspace: Workspace, env: Environment): Layer.Layer<Deciding, IntakeError> =>
  Layer.merge(intakeLayer(workspace, env), HumanPresence.layer(env))

/** The validator asks the patch stage without knowing it. A link that leads out is refused before anybody works on it. */
export const checkPatch: CheckPatch = (bytes, declared) => {
  const parsed = parsePatch(bytes, declared)
  if (!parsed.ok) return parsed.error
  const target = linkTargetOf(parsed.value)
  return target === null ? null : (linkTargetProblems(declared.path, target)[0] ?? null)
}
