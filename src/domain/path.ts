import { quoted, type Violation } from "./violation.ts"

export interface PathRules {
  /** `portable` = the name must work on every desktop file system; `posix` = safety only. */
  readonly style: "portable" | "posix"
  /** Portability is asked of names a change brings in, never of names the tree already has. */
  readonly isNew: boolean
}

export type PathProblem = Omit<Violation, "path">

/** Bytes: NAME_MAX of every common file system, and a total that leaves room for a root under PATH_MAX (4096). */
export const MAX_COMPONENT_BYTES = 255
export const MAX_PATH_BYTES = 1_024

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const IGNORABLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu
const NOT_PORTABLE = /[\\:*?"<>|]/
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$|clock\$) *(?:\..*)?$/
const SHORT_NAME = /^[^.]{1,8}~[0-9]{1,6}(?:\.[^.]{0,3})?$/
/** NTFS's own aliases of the two folders: the short name, and the hashed one it falls back to. */
const PROTECTED_ALIAS = /^(?:git|gi[0-9a-f]{4}|hyperi|hy[0-9a-f]{4})~[0-9]+$/

/** One spelling for all spellings a file system may treat as equal: compatibility forms, case, ignorables. */
const folded = (text: string): string =>
  text.normalize("NFKC").replace(IGNORABLE, "").toUpperCase().toLowerCase()

/** What NTFS makes of a component: no stream suffix, no trailing dots or spaces. */
const ntfsName = (component: string): string => component.replace(/:.*$/s, "").replace(/[. ]+$/, "")

/** True when some file system could take a component of `path` for `.git` or `.hyperion`. */
export const touchesProtected = (path: string): boolean =>
  folded(path)
    .split(/[/\\]/)
    .some((component) => {
      const name = ntfsName(component)
      return name === ".git" || name === ".hyperion" || PROTECTED_ALIAS.test(name)
    })

/** Files git itself reads. As anything but a regular file they make a repository that `git fsck` and servers refuse. */
const GIT_FILES: ReadonlySet<string> = new Set([".gitmodules", ".gitattributes", ".gitignore", ".mailmap"])

/** True when the last component of `path` is, on some file system, a file git itself reads. */
export const isGitFile = (path: string): boolean =>
  GIT_FILES.has(ntfsName(folded(path.slice(path.lastIndexOf("/") + 1))))

/** Two paths with the same key are one file on a file system that ignores case or Unicode form. */
export const collisionKey = (path: string, style: PathRules["style"]): string =>
  style === "posix" ? path : path.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC")

/** Everything wrong with a path of a change, all at once; empty = safe to join to a root. Pure: no file is looked at. */
export const pathProblems = (path: string, rules: PathRules): readonly PathProblem[] => {
  const bytes = Buffer.byteLength(path)
  // Alone: the other questions are not worth asking of megabytes.
  if (bytes > MAX_PATH_BYTES)
    return [
      {
        code: "path_too_long",
        message: `the path is ${bytes} bytes long; the limit is ${MAX_PATH_BYTES}`,
        hint: "shorten it",
      },
    ]
  return [...safety(path), ...(rules.style === "portable" && rules.isNew ? portability(path) : [])]
}

const safety = (path: string): readonly PathProblem[] => {
  const problems: PathProblem[] = []
  const components = path.split("/")
  if (path.startsWith("/"))
    problems.push({
      code: "path_absolute",
      message: `the path ${quoted(path)} is absolute`,
      hint: "write it relative to the root of the repository, like src/main.ts",
    })
  if (components.includes(".."))
    problems.push({
      code: "path_traversal",
      message: `the path ${quoted(path)} climbs out with ".."`,
      hint: "write it from the root of the repository, without ..",
    })
  if (components.some((part, index) => part === "." || (part === "" && (index > 0 || path === ""))))
    problems.push({
      code: "path_component",
      message: `the path ${quoted(path)} has an empty or "." component`,
      hint: 'remove "./", "//" and a trailing "/"',
    })
  if (!path.isWellFormed() || INVISIBLE.test(path))
    problems.push({
      code: "path_invisible",
      message: `the path ${quoted(path)} holds control, invisible or text-direction characters`,
      hint: "use only characters a reader can see",
    })
  if (touchesProtected(path))
    problems.push({
      code: "path_protected",
      message: `the path ${quoted(path)} is, or some file system takes it for, a .git or .hyperion folder`,
      hint: "changes never touch these folders; choose another name",
    })
  if (components.slice(0, -1).some(isGitFile))
    problems.push({
      code: "path_git_file",
      message: `the path ${quoted(path)} makes a folder of a file that git reads`,
      hint: "choose another name for the folder",
    })
  if (components.some((part) => Buffer.byteLength(part) > MAX_COMPONENT_BYTES))
    problems.push({
      code: "path_component_too_long",
      message: `a component of the path ${quoted(path)} is longer than ${MAX_COMPONENT_BYTES} bytes`,
      hint: "shorten that file or folder name",
    })
  return problems
}

const portability = (path: string): readonly PathProblem[] => {
  const problems: PathProblem[] = []
  const components = path.split("/")
  const name = (part: string): string => part.normalize("NFKC").toLowerCase()
  const find = (broken: (part: string) => boolean): string | undefined => components.find(broken)
  const hint = 'choose a name that every system accepts, or let the operator set "paths": "posix"'
  if (path !== path.normalize("NFC"))
    problems.push({
      code: "path_not_nfc",
      message: `the path ${quoted(path)} is not in Unicode form NFC`,
      hint: "normalise it to NFC: macOS and Linux would otherwise see two files",
    })
  const ignorable = find((part) => part.replace(IGNORABLE, "") !== part)
  if (ignorable !== undefined && !INVISIBLE.test(path))
    problems.push({
      code: "path_ignorable",
      message: `the name ${quoted(ignorable)} holds characters that some file systems ignore`,
      hint,
    })
  const special = find((part) => NOT_PORTABLE.test(part))
  if (special !== undefined)
    problems.push({
      code: "path_character",
      message: `the name ${quoted(special)} holds one of \\ : * ? " < > |`,
      hint,
    })
  const trailing = find((part) => /[. ]$/.test(part) && part !== "." && part !== "..")
  if (trailing !== undefined)
    problems.push({
      code: "path_trailing",
      message: `the name ${quoted(trailing)} ends in a dot or a space`,
      hint,
    })
  const device = find((part) => DEVICE.test(name(part)))
  if (device !== undefined)
    problems.push({
      code: "path_device",
      message: `the name ${quoted(device)} is a device on Windows`,
      hint,
    })
  const short = find((part) => SHORT_NAME.test(name(part)))
  if (short !== undefined)
    problems.push({
      code: "path_short_name",
      message: `the name ${quoted(short)} looks like a Windows short name (8.3), an alias of another file`,
      hint,
    })
  return problems
}

/**
 * What is wrong with a symbolic link at `path` (itself sound) that points to `target`: it must stay inside the root on
 * every reading. `..` may only lead, since behind another link it would climb from somewhere else.
 */
export const linkTargetProblems = (path: string, target: string): readonly PathProblem[] => {
  const hint = "point the link to a file of the repository, by a relative path"
  const problem = (code: string, what: string): readonly PathProblem[] => [
    { code, message: `the link ${quoted(path)} points to ${quoted(target)}, ${what}`, hint },
  ]
  if (target === "" || target.includes("\0")) return problem("link_target_malformed", "which names nothing")
  if (target.startsWith("/")) return problem("link_target_absolute", "which is an absolute path")
  const parts = target.split("/").filter((part) => part !== "" && part !== ".")
  const down = parts.findIndex((part) => part !== "..")
  const ups = down === -1 ? parts.length : down
  const rest = parts.slice(ups)
  const folders = path.split("/").slice(0, -1)
  if (ups > folders.length) return problem("link_target_outside", "which lies outside the repository")
  if (rest.includes("..")) return problem("link_target_roundabout", 'which climbs with ".." on its way')
  if (touchesProtected([...folders.slice(0, folders.length - ups), ...rest].join("/")))
    return problem("link_target_protected", "which lies in a .git or .hyperion folder")
  return []
}
