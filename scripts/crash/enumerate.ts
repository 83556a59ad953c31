/**
 * Kills, cuts short and fails a landing of the compiled binary at every state-changing system call, recovers, and looks
 * at everything. `HYPERION_INJECTOR` names the injector (`-p PREFIX -n N -a ACTION -l LOG -x COMMAND -- argv`; exit 86:
 * it killed, 87: there is no N-th call); `HYPERION_TEST_BINARY` the binary. Prints one JSON report; exit 1 when anything
 * was lost, half applied or clobbered.
 *
 *   bun scripts/crash/enumerate.ts [--scene one|five|hundred|one-elsewhere|five-elsewhere|one-worktree|five-worktree|
 *     hundred-worktree|one-approved] [--actions kill,torn,…]
 *     [--edit PATH] [--person] [--recovery] [--step N] [--shard I/N] [--finish]
 */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { parseArgs } from "node:util"
import {
  finishAndLook,
  hundreds,
  makeScene,
  recoverAndLook,
  SCENES,
  type Tree,
} from "../../test/crash/scene.ts"
import { BINARY } from "../../test/support/workspace.ts"

const { values } = parseArgs({
  options: {
    scene: { type: "string", default: "one" },
    actions: { type: "string", default: "kill,killafter,torn,short,errno=5,errno=28,errno=5+,errno=28+" },
    edit: { type: "string" },
    person: { type: "boolean", default: false },
    recovery: { type: "boolean", default: false },
    step: { type: "string", default: "1" },
    shard: { type: "string", default: "0/1" },
    finish: { type: "boolean", default: false },
  },
})
const injector = process.env["HYPERION_INJECTOR"]
if (!injector) {
  process.stderr.write("HYPERION_INJECTOR must name the system-call injector\n")
  process.exit(2)
}

const kind = [...SCENES, ...hundreds()].find(({ name }) => name.replaceAll(" ", "-") === values.scene)
if (!kind) {
  process.stderr.write(`no scene ${values.scene}\n`)
  process.exit(2)
}
const scene = makeScene(kind)
const { repository } = scene
const prefix = `${repository.outside}/`
const log = `${repository.outside}.points`

interface Injected {
  readonly code: number | null
  readonly points: readonly string[]
}

const inject = (point: number, action: string, meanwhile?: string): Injected => {
  const more = meanwhile === undefined ? [] : ["-x", meanwhile]
  const argv = [injector, "-p", prefix, "-n", String(point), "-a", action, "-l", log, ...more, "--"]
  const done = Bun.spawnSync([...argv, BINARY, "worker", "--drain"], {
    cwd: repository.root,
    env: repository.env,
    stdin: "ignore",
    timeout: 60_000,
  })
  return { code: done.exitCode, points: readFileSync(log, "utf8").trim().split("\n").slice(0, -1) }
}

const isWrite = (line: string | undefined): boolean => / p?write(64)? /.test(line ?? "")

/** There when the foreign edit could be made: its folder may be gone with what was deleted. */
const edited = `${repository.outside}.edited`
const allEdits: Tree =
  values.edit !== undefined ? { [values.edit]: "EDIT" } : values.person ? { "keep.txt": "P" } : {}
const meanwhile =
  values.edit !== undefined
    ? `test -d "$(dirname ${repository.root}/${values.edit})" && printf EDIT >> ${repository.root}/${values.edit} && touch ${edited}`
    : values.person
      ? `cd ${repository.root} && printf P >> keep.txt && git commit -qam person >/dev/null 2>&1`
      : undefined

scene.restore()
const { points } = inject(0, "none")
const [shard, shards] = values.shard.split("/").map(Number) as [number, number]
const started = performance.now()
let runs = 0
let unreached = 0
const sides: Record<string, number> = {}
const bad: unknown[] = []

const judge = async (tag: readonly (string | number)[], at: string | undefined): Promise<void> => {
  runs++
  const faults: string[] = []
  const edits = values.edit !== undefined && !existsSync(edited) ? {} : allEdits
  try {
    const verdict = await recoverAndLook(scene, edits)
    const key = `${tag[0]} ${verdict.side} ${verdict.state}`
    sides[key] = (sides[key] ?? 0) + 1
    faults.push(...verdict.faults)
    if (values.finish && faults.length === 0) faults.push(...(await finishAndLook(scene, edits)))
  } catch (error) {
    faults.push(`thrown: ${String(error)}`)
  }
  if (faults.length === 0) return
  bad.push({ tag, at, faults })
  process.stderr.write(`${JSON.stringify({ tag, at, faults })}\n`)
}

for (const action of meanwhile === undefined ? values.actions.split(",") : ["none"]) {
  for (let point = 1; point <= points.length; point += Number(values.step)) {
    if (point % shards !== shard) continue
    if ((action === "torn" || action === "short") && !isWrite(points[point - 1])) continue
    scene.restore()
    rmSync(edited, { force: true })
    const { code } = inject(point, action, meanwhile)
    if (code === 87) {
      unreached++
      continue
    }
    if (!values.recovery) {
      await judge([action, point], points[point - 1])
      continue
    }
    const crashed = scene.save()
    const again = inject(0, "none").points.length
    for (let second = 1; second <= again; second++) {
      crashed.back()
      if (inject(second, "kill").code === 86)
        await judge([`${action}+kill`, point, second], points[point - 1])
    }
  }
}
const seconds = Math.round((performance.now() - started) / 100) / 10
process.stdout.write(
  `${JSON.stringify({ scene: kind.name, edit: values.edit ?? null, person: values.person, points: points.length, runs, unreached, violations: bad.length, sides, bad: bad.slice(0, 20), seconds }, null, 1)}\n`,
)
for (const file of [log, edited]) rmSync(file, { force: true })
scene.remove()
process.exitCode = bad.length === 0 ? 0 : 1
