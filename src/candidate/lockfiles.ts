import { parentOf } from "./manifest.ts"

interface Ecosystem {
  readonly locks: RegExp
  /** Decides alone where there is no lockfile. */
  readonly declared: RegExp
}

const NODE: Ecosystem = {
  locks: /^(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?)$/,
  declared: /^package\.json$/,
}
const PYTHON: Ecosystem = {
  locks: /^(poetry\.lock|uv\.lock|pdm\.lock|Pipfile\.lock|requirements[^/]*\.txt)$/,
  declared: /^(pyproject\.toml|Pipfile)$/,
}
const VENDOR: Ecosystem = {
  locks: /^(go\.sum|composer\.lock|Gemfile\.lock|Cargo\.lock)$/,
  declared: /^(go\.mod|composer\.json|Gemfile|Cargo\.toml)$/,
}
const ANY: Ecosystem = {
  locks: new RegExp([NODE, PYTHON, VENDOR].map(({ locks }) => locks.source).join("|")),
  declared: new RegExp([NODE, PYTHON, VENDOR].map(({ declared }) => declared.source).join("|")),
}
const BY_NAME = new Map([
  ["node_modules", NODE],
  [".venv", PYTHON],
  ["vendor", VENDOR],
])

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** The folders whose lockfiles govern a mount: the one it is in and all above, `""` being the root. */
export const governingFolders = (mount: string): readonly string[] => {
  const folders: string[] = []
  for (let folder = parentOf(mount); ; folder = parentOf(folder)) {
    folders.push(folder)
    if (folder === "") return folders
  }
}

/** Of `paths` (files in the governing folders) those that decide what belongs into the mount. */
export const governingFiles = (
  mount: string,
  paths: readonly string[],
): { readonly locks: readonly string[]; readonly declared: readonly string[] } => {
  const ecosystem = BY_NAME.get(nameOf(mount)) ?? ANY
  return {
    locks: paths.filter((path) => ecosystem.locks.test(nameOf(path))).sort(),
    declared: paths.filter((path) => ecosystem.declared.test(nameOf(path))).sort(),
  }
}
