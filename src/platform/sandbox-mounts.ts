import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs"
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path"

/** The one place a candidate has inside a sandbox, so that paths in logs and caches do not depend on the slot. */
export const CANDIDATE_PATH = "/candidate"
export const SANDBOX_HOME = "/home/guard"

export interface ReadOnlyBind {
  /** Existing folder or file of the host. */
  readonly source: string
  /** Absolute path inside the sandbox. */
  readonly target: string
}

const SYSTEM_LINKS = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
/** What a C library, a resolver, TLS and language runtimes read. Nothing that names a credential or a service. */
const SYSTEM_FILES = [
  "/etc/alternatives",
  "/etc/ca-certificates",
  "/etc/crypto-policies",
  "/etc/group",
  "/etc/hosts",
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  "/etc/localtime",
  "/etc/mime.types",
  "/etc/nsswitch.conf",
  "/etc/passwd",
  "/etc/pki",
  "/etc/protocols",
  "/etc/services",
  "/etc/ssl",
]
/** Parts of an installation beside its `bin`. Not the whole prefix: `~/.cargo` or `~/.local` hold credentials. */
const BESIDE_BIN = ["lib", "lib64", "libexec", "include"]
/** Folders that programs on `PATH` need elsewhere: the variable that names one, its usual place, and who needs it. */
const TOOLCHAIN_HOMES = [
  { variable: "RUSTUP_HOME", folder: ".rustup", program: "rustup" },
  { variable: "PYENV_ROOT", folder: ".pyenv", program: "pyenv" },
  { variable: "VOLTA_HOME", folder: ".volta", program: "volta" },
  { variable: "JAVA_HOME", folder: null, program: null },
  { variable: "GOROOT", folder: null, program: null },
]

const within = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`)

const isSystem = (path: string): boolean => ["/usr", ...SYSTEM_LINKS].some((folder) => within(path, folder))

const real = (path: string): string | null => {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

/** Where a command named by a path inside the sandbox is on the host; a bare name is left to `PATH`. */
export const hostPathOf = (command: string, candidateDir: string, binds: readonly ReadOnlyBind[]): string => {
  if (!command.includes("/")) return command
  const inside = resolve(CANDIDATE_PATH, command)
  const bind = binds.findLast(({ target }) => within(inside, target))
  if (bind !== undefined) return join(bind.source, relative(bind.target, inside))
  return within(inside, CANDIDATE_PATH) ? join(candidateDir, relative(CANDIDATE_PATH, inside)) : inside
}

/** Read-only system: `/usr`, the links of a merged root, the listed part of `/etc`. */
export const systemMounts = (network: boolean): string[] => {
  const args = ["--ro-bind", "/usr", "/usr"]
  for (const path of SYSTEM_LINKS) {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isSymbolicLink()) args.push("--symlink", readlinkSync(path), path)
    else if (stat?.isDirectory()) args.push("--ro-bind", path, path)
  }
  for (const path of [...SYSTEM_FILES, ...(network ? ["/etc/resolv.conf"] : [])]) {
    const source = real(path)
    if (source !== null) args.push("--ro-bind", source, path)
  }
  return args
}

export interface Toolchain {
  readonly path: string
  readonly binds: readonly ReadOnlyBind[]
  readonly set: Readonly<Record<string, string>>
}

/**
 * The part of the operator's `PATH` that a guard may use, and what must be mounted for it: each folder outside `/usr`,
 * the installations its links lead to, and shim managers' homes. Never a folder that lies in, or contains, one of
 * `hidden`: a `node_modules/.bin` of the live tree on `PATH` would show the live tree.
 */
export const toolchain = (
  env: Readonly<Record<string, string>>,
  executable: string,
  hidden: readonly string[],
): Toolchain => {
  const home = env["HOME"] ?? "/root"
  const closed = [...hidden, home].flatMap((path) => [path, real(path) ?? path])
  const isClosed = (path: string): boolean =>
    closed.some((folder) => within(folder, path)) || hidden.some((root) => within(path, real(root) ?? root))
  const binds = new Map<string, ReadOnlyBind>()
  const isMounted = (path: string): boolean =>
    isSystem(path) || [...binds.keys()].some((folder) => within(path, folder))
  const bind = (path: string): boolean => {
    const source = real(path)
    if (source === null || isClosed(source) || isClosed(path)) return false
    if (!isMounted(path)) binds.set(path, { source, target: path })
    return true
  }
  const bindProgramFolder = (folder: string): boolean => {
    if (!bind(folder)) return false
    if (basename(folder) === "bin") {
      for (const name of BESIDE_BIN)
        if (existsSync(join(dirname(folder), name))) bind(join(dirname(folder), name))
    }
    return true
  }
  const folders = (env["PATH"] ?? "").split(":").filter(isAbsolute)
  const path = folders.filter(
    (folder) => existsSync(folder) && (isMounted(folder) || bindProgramFolder(folder)),
  )
  for (const folder of path) {
    if (isSystem(folder) && !within(folder, "/usr/local")) continue
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const target = entry.isSymbolicLink() ? real(join(folder, entry.name)) : null
      if (target !== null && !isMounted(target)) bindProgramFolder(dirname(target))
    }
  }
  const program = real(executable)
  if (program !== null && !isMounted(program)) bindProgramFolder(dirname(program))
  const set: Record<string, string> = {}
  for (const { variable, folder, program } of TOOLCHAIN_HOMES) {
    const needed = program !== null && path.some((place) => existsSync(join(place, program)))
    const place = env[variable] ?? (needed ? join(home, folder) : null)
    if (place !== null && existsSync(place) && bind(place)) set[variable] = place
  }
  return { path: path.join(":"), binds: [...binds.values()], set }
}
