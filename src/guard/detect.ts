import type { GuardSpec } from "../domain/policy.ts"

/** A guard that `init` proposes, and what made it think so. */
export interface DetectedGuard {
  readonly id: string
  readonly command: readonly string[]
  readonly because: string
}

/** Reads a file of the workspace's root by name; null when it is not there. */
export type ReadRootFile = (name: string) => string | null

/** npm's placeholder: a guard that always fails tells nothing. */
const PLACEHOLDER = /no test specified/
/** Scripts worth guarding with, in the order they should run: cheap ones first. */
const SCRIPTS = ["lint", "typecheck", "types", "check", "test"] as const

const packageRunner = (read: ReadRootFile): string => {
  if (read("bun.lock") !== null || read("bun.lockb") !== null) return "bun"
  if (read("pnpm-lock.yaml") !== null) return "pnpm"
  if (read("yarn.lock") !== null) return "yarn"
  return "npm"
}

const fromPackageJson = (read: ReadRootFile): DetectedGuard[] => {
  const text = read("package.json")
  if (text === null) return []
  let scripts: unknown
  try {
    scripts = JSON.parse(text)?.scripts
  } catch {
    return []
  }
  if (typeof scripts !== "object" || scripts === null) return []
  const runner = packageRunner(read)
  return SCRIPTS.flatMap((name) => {
    const script = (scripts as Record<string, unknown>)[name]
    if (typeof script !== "string" || PLACEHOLDER.test(script)) return []
    return [{ id: name, command: [runner, "run", name], because: `package.json has the script ${name}` }]
  })
}

const fromCargo = (read: ReadRootFile): DetectedGuard[] =>
  read("Cargo.toml") === null
    ? []
    : [
        { id: "cargo-fmt", command: ["cargo", "fmt", "--check"], because: "Cargo.toml" },
        { id: "cargo-test", command: ["cargo", "test", "--workspace"], because: "Cargo.toml" },
      ]

const fromPython = (read: ReadRootFile): DetectedGuard[] => {
  const project = read("pyproject.toml")
  if (project === null && read("pytest.ini") === null && read("tox.ini") === null) return []
  const text = project ?? ""
  const guards: DetectedGuard[] = []
  if (text.includes("[tool.ruff"))
    guards.push({ id: "ruff", command: ["ruff", "check", "."], because: "pyproject.toml configures ruff" })
  if (read("pytest.ini") !== null || text.includes("pytest"))
    guards.push({ id: "pytest", command: ["python3", "-m", "pytest", "-q"], because: "pytest is configured" })
  return guards
}

const fromGo = (read: ReadRootFile): DetectedGuard[] =>
  read("go.mod") === null
    ? []
    : [
        { id: "go-vet", command: ["go", "vet", "./..."], because: "go.mod" },
        { id: "go-test", command: ["go", "test", "./..."], because: "go.mod" },
      ]

const fromMakefile = (read: ReadRootFile): DetectedGuard[] => {
  const text = read("Makefile") ?? read("makefile")
  if (text === null) return []
  const target = ["check", "test"].find((name) => new RegExp(`^${name}\\s*:(?!=)`, "m").test(text))
  return target === undefined
    ? []
    : [{ id: `make-${target}`, command: ["make", target], because: `Makefile has the target ${target}` }]
}

/** Guards that fit what the workspace's root shows. A Makefile counts only where nothing more specific does. */
export const detectGuards = (read: ReadRootFile): readonly DetectedGuard[] => {
  const specific = [...fromPackageJson(read), ...fromCargo(read), ...fromPython(read), ...fromGo(read)]
  return specific.length > 0 ? specific : fromMakefile(read)
}

/** As written into `hyperion.json`: only what differs from the defaults. */
export const asGuardSpec = ({
  id,
  command,
}: DetectedGuard): Pick<GuardSpec, "command"> & { readonly id: string } => ({
  id,
  command: [...command],
})
