import { existsSync } from "node:fs"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SandboxMode } from "../domain/policy.ts"
import { findExecutable } from "./executable.ts"
import { type Argv, ProcessRunner, type ProcessRunnerShape } from "./ProcessRunner.ts"
import {
  CANDIDATE_PATH,
  hostPathOf,
  type ReadOnlyBind,
  SANDBOX_HOME,
  systemMounts,
  toolchain,
} from "./sandbox-mounts.ts"

/** The policy demands a sandbox and there is none: nothing runs. */
export class SandboxUnavailable extends Data.TaggedError("SandboxUnavailable")<{
  readonly reason: string
  readonly hint: string
}> {
  override get message(): string {
    return `no sandbox: ${this.reason}`
  }
}

export type SandboxStatus =
  | { readonly available: true; readonly bwrap: string; readonly sizedTmpfs: boolean }
  | { readonly available: false; readonly reason: string; readonly hint: string }

export interface SandboxRequest {
  readonly mode: SandboxMode
  readonly argv: Argv
  /** Host folder that becomes `/candidate`, writable, and is the working directory. */
  readonly candidateDir: string
  readonly network: boolean
  readonly readOnlyBinds: readonly ReadOnlyBind[]
  /** The command's whole environment. `PATH`, `HOME` and `TMPDIR` are replaced inside the sandbox. */
  readonly env: Readonly<Record<string, string>>
  /** Folders no toolchain mount may show: the live tree, Hyperion's state. */
  readonly hidden: readonly string[]
}

export interface SandboxedCommand {
  readonly argv: Argv
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly label: "bwrap" | "none"
  /** Run it with `statusFd`: `ranInside` tells from the status whether the command itself was reached. */
  readonly statusFd: boolean
}

export interface SandboxShape {
  /** Whether bubblewrap works here: found by running a real command in it, once. */
  readonly detect: Effect.Effect<SandboxStatus>
  /**
   * The command as it must be started under `mode`. `preferred` without a sandbox and `off` give it back with the
   * label `none`; `required` without one fails.
   */
  readonly wrap: (request: SandboxRequest) => Effect.Effect<SandboxedCommand, SandboxUnavailable>
}

/** `true` when the sandbox was set up and the command's own exit code is the one reported. */
export const ranInside = (status: string | undefined): boolean => /"exit-code"\s*:/.test(status ?? "")

const BWRAP_FOLDERS = "/usr/bin:/usr/local/bin:/bin:/run/wrappers/bin"
const PRLIMIT = "/usr/bin/prlimit"
const TMPFS_BYTES = 2 * 1024 ** 3
/** Per sandbox for an ordinary user (the kernel counts within the user namespace); file size guards the disk. */
const LIMITS = ["--nproc=4096", "--core=0", `--fsize=${8 * 1024 ** 3}`]
const INSTALL_HINT = "install bubblewrap, or set `sandbox` to `preferred` in hyperion.json to run without one"

interface Inside {
  readonly bwrap: string
  readonly sizedTmpfs: boolean
  readonly network: boolean
  readonly mounts: readonly string[]
  readonly argv: Argv
}

const bwrapArgv = (inside: Inside): Argv => {
  const tmpfs = (path: string): string[] => [
    ...(inside.sizedTmpfs ? ["--size", String(TMPFS_BYTES)] : []),
    "--tmpfs",
    path,
  ]
  return [
    inside.bwrap,
    "--unshare-all",
    ...(inside.network ? ["--share-net"] : []),
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--json-status-fd",
    "3",
    ...systemMounts(inside.network),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    ...["/tmp", "/run", "/home", "/root"].flatMap(tmpfs),
    "--symlink",
    "/tmp",
    "/var/tmp",
    "--dir",
    SANDBOX_HOME,
    ...inside.mounts,
    "--remount-ro",
    "/",
    "--",
    ...(existsSync(PRLIMIT) ? [PRLIMIT, ...LIMITS, "--"] : []),
    ...inside.argv,
  ]
}

const readOnly = (binds: readonly ReadOnlyBind[]): string[] =>
  binds.flatMap((bind) => ["--ro-bind", bind.source, bind.target])

const probe = Effect.fn("Sandbox.detect")(function* (runner: ProcessRunnerShape) {
  const bwrap = findExecutable("bwrap", { cwd: "/", path: BWRAP_FOLDERS })
  if (!bwrap.ok) {
    return { available: false, reason: "bubblewrap is not installed", hint: INSTALL_HINT } as const
  }
  let reason = ""
  // Before 0.7 it does not know --size.
  for (const sizedTmpfs of [true, false]) {
    const argv = bwrapArgv({ bwrap: bwrap.value, sizedTmpfs, network: false, mounts: [], argv: ["true"] })
    const outcome = yield* Effect.either(
      runner.run({ argv, cwd: "/", env: { PATH: "/usr/bin:/bin" }, timeoutMs: 10_000, statusFd: true }),
    )
    if (outcome._tag === "Left") reason = outcome.left.message
    else if (outcome.right.exitCode === 0 && ranInside(outcome.right.status)) {
      return { available: true, bwrap: bwrap.value, sizedTmpfs } as const
    } else reason = Buffer.from(outcome.right.stderr).toString("utf8").trim().split("\n").at(-1) ?? ""
  }
  const hint =
    "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile)"
  return { available: false, reason: reason || "bubblewrap did not start a command", hint } as const
})

const wrapWith = (detect: Effect.Effect<SandboxStatus>): SandboxShape["wrap"] =>
  Effect.fn("Sandbox.wrap")(function* (request: SandboxRequest) {
    const bare: SandboxedCommand = {
      argv: request.argv,
      cwd: request.candidateDir,
      env: request.env,
      label: "none",
      statusFd: false,
    }
    if (request.mode === "off") return bare
    const status = yield* detect
    if (!status.available) {
      if (request.mode === "preferred") return bare
      return yield* new SandboxUnavailable({ reason: status.reason, hint: status.hint })
    }
    const program = hostPathOf(request.argv[0], request.candidateDir, request.readOnlyBinds)
    const found = findExecutable(program, { cwd: request.candidateDir, path: request.env["PATH"] ?? "" })
    const hidden = [...request.hidden, request.candidateDir]
    const tools = toolchain(request.env, found.ok ? found.value : program, hidden)
    const argv = bwrapArgv({
      ...status,
      network: request.network,
      mounts: [
        ...readOnly(tools.binds),
        "--bind",
        request.candidateDir,
        CANDIDATE_PATH,
        ...readOnly(request.readOnlyBinds),
        "--chdir",
        CANDIDATE_PATH,
      ],
      argv: request.argv,
    })
    const env = { ...request.env, ...tools.set, PATH: tools.path, HOME: SANDBOX_HOME, TMPDIR: "/tmp" }
    return { argv, cwd: "/", env, label: "bwrap", statusFd: true } satisfies SandboxedCommand
  })

export class Sandbox extends Context.Tag("hyperion/platform/Sandbox")<Sandbox, SandboxShape>() {
  static readonly layer = Layer.effect(
    Sandbox,
    Effect.gen(function* () {
      const runner = yield* ProcessRunner
      const detect = yield* Effect.cached(probe(runner))
      return { detect, wrap: wrapWith(detect) }
    }),
  )

  /** With a given answer of `detect`: for tests of a machine without a sandbox. */
  static readonly layerOf = (status: SandboxStatus): Layer.Layer<Sandbox> =>
    Layer.succeed(Sandbox, { detect: Effect.succeed(status), wrap: wrapWith(Effect.succeed(status)) })
}
