/**
 * Runs the sessions of README.md with a compiled binary in a fresh home folder, prints it, and writes what scripts would
 * have read into execution/samples. By hand, after a change of the output: `bun test/docs/make-samples.ts dist/hyperion`.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"

const SAMPLES = resolve(import.meta.dir, "../../execution/samples")
const DIGITS = /digest\s+(?:\u001b\[\d+m)*([0-9a-f]{6})/

const FILES = {
  "greet.js": 'export const greet = (name) => "Hello " + name\n',
  "test.js": 'import { greet } from "./greet.js"\nif (greet("you") !== "Hello you") process.exit(1)\n',
  "package.json": '{\n  "name": "demo",\n  "type": "module",\n  "scripts": { "test": "node test.js" }\n}\n',
}

const REQUEST = {
  request_id: "greet",
  summary: "Greet with an exclamation mark",
  landing: "together",
  requested_changes: [
    {
      path: "greet.js",
      summary: "End the greeting with an exclamation mark",
      operation: "update",
      content: 'export const greet = (name) => "Hello " + name + "!"\n',
    },
    {
      path: "test.js",
      summary: "Expect the exclamation mark",
      operation: "update",
      content: 'import { greet } from "./greet.js"\nif (greet("you") !== "Hello you!") process.exit(1)\n',
    },
  ],
}

const CHANGE = `jq -n --rawfile patch taskjson/greet.patch \\
  --arg hash "$(sha256sum taskjson/greet.patch | cut -d' ' -f1)" \\
  '{task_id: "greet-doc", agent: "developer-7", metadata: {intent: "Say what greet does"},
    changes: [{path: "greet.js", operation: "update", patch: $patch, patch_hash: $hash}],
    checks: ["test"]}' > taskjson/change.json`

const BROKEN = `jq '.task_id = "greet-short" | .metadata.intent = "Greet without a name"
  | .changes[0] |= (del(.patch) | .content = "export const greet = () => 1\\n"
  | .patch_hash = "${new Bun.CryptoHasher("sha256").update("export const greet = () => 1\n").digest("hex")}")' \\
  taskjson/change.json > taskjson/broken.json`

interface Step {
  readonly run: string
  /** Writes the output as this sample as well. */
  readonly sample?: string
  /** At a terminal, where the shown digest is typed. */
  readonly terminal?: true
}

const STEPS: readonly Step[] = [
  { run: "cat taskjson/greet.json", sample: "task-request.json" },
  { run: "hyperion init" },
  { run: "cat hyperion.json", sample: "policy.json" },
  { run: "git add hyperion.json && git commit -qm 'Add the policy'" },
  { run: "hyperion request taskjson/greet.json --dry-run --format json", sample: "request-dry-run.json" },
  { run: "hyperion request taskjson/greet.json" },
  { run: "hyperion worker --drain" },
  { run: "hyperion why greet" },
  { run: "hyperion why greet --format json", sample: "why-waiting.json" },
  { run: "cat execution/next_task_context.json", sample: "next-task-context.json" },
  { run: 'hyperion approve greet --note "reads well"', terminal: true },
  { run: "hyperion worker --drain" },
  { run: "git log -1" },
  { run: "hyperion audit verify" },
  { run: "hyperion verify greet" },
  { run: "hyperion verify greet --format json", sample: "verify.json" },
  { run: "hyperion blame greet.js:1" },
  { run: "hyperion blame greet.js:1 --format json", sample: "blame.json" },
  { run: "hyperion revert greet --dry-run --format json", sample: "revert-dry-run.json" },
  { run: "hyperion revert greet" },
  { run: "hyperion worker --drain" },
  { run: 'hyperion approve revert-1 --note "we stay calm"', terminal: true },
  { run: "hyperion worker --drain" },
  { run: "hyperion verify revert-1" },
  { run: "hyperion replay --to ../again" },
  { run: "git rev-parse main^{tree} main~2^{tree} && git -C ../again rev-parse main^{tree}" },
  { run: "hyperion replay --to ../again-for-scripts --format json", sample: "replay.json" },
  { run: "sed 's/^export/\\/** Says hello. *\\/\\nexport/' -i greet.js" },
  { run: "git diff -- greet.js > taskjson/greet.patch && git checkout -q greet.js" },
  { run: "cat taskjson/greet.patch" },
  { run: CHANGE },
  { run: "cat taskjson/change.json", sample: "change-request.json" },
  { run: "hyperion validate-change taskjson/change.json" },
  { run: "hyperion validate-change taskjson/change.json --format json", sample: "validate-valid.json" },
  { run: "hyperion enqueue taskjson/change.json" },
  { run: "hyperion enqueue taskjson/change.json --format json", sample: "enqueue-duplicate.json" },
  { run: BROKEN },
  { run: "hyperion enqueue taskjson/broken.json" },
  { run: "hyperion worker --drain --format json", sample: "worker-drain.json" },
  { run: "cat execution/verification_report.json", sample: "verification-report.json" },
  { run: "hyperion why greet-short" },
  { run: "hyperion why greet-short --format json", sample: "why-failed.json" },
  {
    run: "jq '.changes[0].path = \"../x\"' taskjson/change.json | hyperion validate-change -",
  },
  {
    run: "jq '.changes[0].path = \"../x\"' taskjson/change.json | hyperion validate-change - --format json",
    sample: "validate-rejected.json",
  },
  { run: "hyperion list" },
  { run: "hyperion list --format json", sample: "list.json" },
  { run: "hyperion list-dead-letters --format json", sample: "list-dead-letters.json" },
  { run: "hyperion history greet --format json", sample: "history.json" },
  { run: "hyperion show greet --format json", sample: "show.json" },
  { run: "hyperion status" },
  { run: "hyperion status --format json", sample: "status.json" },
  { run: "hyperion audit verify --format json", sample: "audit-verify.json" },
]

const main = async (binary: string): Promise<void> => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "hyperion-samples-")))
  const root = join(home, "demo")
  const env = {
    PATH: `${dirname(binary)}:${process.env["PATH"]}`,
    HOME: home,
    USER: "operator",
    LANG: "C.UTF-8",
    TERM: "xterm",
    NO_COLOR: "1",
    GIT_CONFIG_NOSYSTEM: "1",
  }
  // Numbers of processes say nothing and differ with every run.
  const neutral = (text: string): string =>
    text
      .replaceAll(home, "~")
      .replaceAll("\r\n", "\n")
      .replace(/\bworker-\d+/g, "worker-1")
  const shell = (command: string) => {
    const { stdout, stderr, exitCode } = Bun.spawnSync(["bash", "-c", `${command} 2>&1`], { cwd: root, env })
    return { text: neutral(stdout.toString() + stderr.toString()), exitCode }
  }
  const atTerminal = async (command: string) => {
    let text = ""
    let typed = false
    const child = Bun.spawn(["bash", "-c", command], {
      cwd: root,
      env,
      terminal: {
        cols: 100,
        rows: 40,
        data: (terminal, data) => {
          text += Buffer.from(data).toString()
          const digits = DIGITS.exec(text)?.[1]
          if (typed || digits === undefined || !/Type the first/.test(text)) return
          typed = true
          terminal.write(`${digits}\n`)
        },
      },
    })
    const exitCode = await child.exited
    return { text: neutral(text), exitCode }
  }
  try {
    mkdirSync(join(root, "taskjson"), { recursive: true })
    mkdirSync(SAMPLES, { recursive: true })
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(root, name), text)
    writeFileSync(join(root, "taskjson/greet.json"), `${JSON.stringify(REQUEST, null, 2)}\n`)
    shell(
      "git config --global user.name Operator && git config --global user.email operator@example.org && git init -q -b main && git add greet.js test.js package.json && git commit -qm Start",
    )
    for (const { run, sample, terminal } of STEPS) {
      const { text, exitCode } = terminal ? await atTerminal(run) : shell(run)
      process.stdout.write(`$ ${run}\n${text}[exit ${exitCode}]\n`)
      if (sample === undefined) continue
      writeFileSync(join(SAMPLES, sample), `${JSON.stringify(JSON.parse(text), null, 2)}\n`)
      if (sample === "show.json")
        writeFileSync(join(SAMPLES, "receipt.json"), `${JSON.stringify(JSON.parse(text).receipt, null, 2)}\n`)
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

await main(resolve(process.argv[2] ?? "dist/hyperion"))
