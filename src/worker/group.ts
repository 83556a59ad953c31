/** Most entries that one run of the guards proves together (SPEC §10). */
export const MAX_GROUP = 16
/** How many are tried together at first; it grows with every green run and is halved by every red one. */
const FIRST_CAP = 8
const GROWTH = 2

/** What deciding who is proven together needs to know of an entry. */
export interface Member {
  readonly id: number
  readonly task: string
  readonly dependsOn: readonly string[]
  readonly paths: readonly string[]
}

/** What earlier runs have taught about how many to prove together. */
export interface Sizing {
  readonly cap: number
  /** Entries of a run that was red, less those that were green since: one of them, or two that do not go together, is red. */
  readonly suspects: readonly number[]
}

export const FIRST_SIZING: Sizing = { cap: FIRST_CAP, suspects: [] }

interface Footprint {
  readonly paths: ReadonlySet<string>
  readonly folders: ReadonlySet<string>
}

const footprintOf = ({ paths }: Member): Footprint => {
  const folders = new Set<string>()
  for (const path of paths)
    for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) folders.add(path.slice(0, at))
  return { paths: new Set(paths), folders }
}

/** Whether they touch a file in common, or one touches what is a folder of the other's. */
const overlap = (left: Footprint, right: Footprint): boolean => {
  const touches = (one: Footprint, other: Footprint) => {
    for (const path of one.paths) if (other.paths.has(path) || other.folders.has(path)) return true
    return false
  }
  return touches(left, right) || touches(right, left)
}

/**
 * Those of `ready`, which are in landing order, that one run is to prove together: no two touch a file in common, but
 * for one that depends on the other, and nobody comes without what it depends on. While a red run is being searched,
 * half of its suspects. At least one, where there is one.
 */
export const nextGroup = <M extends Member>(
  ready: readonly M[],
  { cap, suspects }: Sizing,
  max: number,
): readonly M[] => {
  const suspected = ready.filter(({ id }) => suspects.includes(id))
  const tried = suspected.length > 0 ? suspected : ready
  const limit = Math.max(
    1,
    suspected.length > 0 ? Math.floor(suspected.length / 2) : Math.min(cap, max, MAX_GROUP),
  )
  const group: M[] = []
  const tasks = new Set<string>()
  const elsewhere = new Set(ready.map(({ task }) => task))
  // Whoever comes earlier lies under those behind it, whether or not it is taken along.
  const earlier: { readonly member: M; readonly footprint: Footprint }[] = []
  const chosenFrom = new Set(tried.map(({ id }) => id))
  for (const member of ready) {
    const footprint = footprintOf(member)
    const isComplete = member.dependsOn.every((task) => tasks.has(task) || !elsewhere.has(task))
    const stands = earlier.every(
      (other) =>
        !overlap(footprint, other.footprint) ||
        (member.dependsOn.includes(other.member.task) && tasks.has(other.member.task)),
    )
    if (chosenFrom.has(member.id) && group.length < limit && isComplete && stands) {
      group.push(member)
      tasks.add(member.task)
    }
    earlier.push({ member, footprint })
  }
  // A suspect may stand on one that is none: then the first of all goes, which stands on nobody.
  return group.length > 0 ? group : ready.slice(0, 1)
}

/** What a run taught. A red run of one is a verdict, and ends the search. */
export const sized = (sizing: Sizing, group: readonly number[], isGreen: boolean): Sizing => {
  const isSearch = group.some((id) => sizing.suspects.includes(id))
  if (isGreen) {
    const suspects = sizing.suspects.filter((id) => !group.includes(id))
    // The halves of a search say nothing about how many may be tried together.
    return { cap: isSearch ? sizing.cap : Math.min(MAX_GROUP, sizing.cap + GROWTH), suspects }
  }
  if (group.length === 1) return { cap: sizing.cap, suspects: [] }
  return { cap: isSearch ? sizing.cap : Math.max(1, Math.floor(sizing.cap / 2)), suspects: [...group] }
}
