import * as Layer from "effect/Layer"
import { AgentHarness } from "./agent/AgentHarness.ts"
import { type Intake, type IntakeError, intakeLayer } from "./app-intake.ts"
import { ApplyService } from "./apply/ApplyService.ts"
import { WorktreeFiles } from "./apply/WorktreeFiles.ts"
import { CandidateService } from "./candidate/CandidateService.ts"
import { GuardService } from "./guard/GuardService.ts"
import { storedGuardMemory } from "./guard/StoredGuardMemory.ts"
import { Failpoints } from "./platform/Failpoints.ts"
import { HumanPresence } from "./platform/HumanPresence.ts"
import { LandingLock } from "./platform/LandingLock.ts"
import { LineLock } from "./platform/LineLock.ts"
import { ProcessRunner } from "./platform/ProcessRunner.ts"
import { Sandbox } from "./platform/Sandbox.ts"
import type { Environment } from "./platform/Terminal.ts"
import type { Workspace } from "./platform/Workspace.ts"
import { WorkspaceFiles } from "./platform/WorkspaceFiles.ts"
import { LandingBook } from "./worker/LandingBook.ts"
import { StageKeeper } from "./worker/StageKeeper.ts"

/** The whole graph: what proves and lands changes. Apart from app.ts so that commands that do neither stay light. */
export type Runtime =
  | Intake
  | ProcessRunner
  | Sandbox
  | CandidateService
  | GuardService
  | HumanPresence
  | WorkspaceFiles
  | ApplyService
  | LandingBook
  | StageKeeper
  | LandingLock
  | LineLock
  | AgentHarness

export const runtimeLayer = (
  workspace: Workspace,
  env: Environment,
  options: { readonly create: boolean } = { create: false },
): Layer.Layer<Runtime, IntakeError> =>
  Layer.mergeAll(
    CandidateService.layer,
    GuardService.layer,
    HumanPresence.layer(env),
    WorkspaceFiles.layer,
    AgentHarness.layer,
    StageKeeper.layer,
  ).pipe(
    Layer.provideMerge(ApplyService.layer),
    Layer.provideMerge(LandingBook.layer),
    Layer.provideMerge(LandingLock.layer),
    Layer.provideMerge(LineLock.layer),
    Layer.provide(WorktreeFiles.layer),
    Layer.provide(storedGuardMemory),
    Layer.provideMerge(Sandbox.layer),
    Layer.provideMerge(ProcessRunner.layer),
    Layer.provideMerge(intakeLayer(workspace, env, options)),
    Layer.provide(Failpoints.layer(env)),
  )
