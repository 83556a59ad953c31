import { codeOf, importsOf, resolved, type Source } from "./source.ts"

/** A top-level function by its name: its text, as far as the next one at the margin, and the names of its parameters. */
interface Found {
  readonly source: Source
  readonly text: string
  readonly parameters: readonly string[]
}

/** `a, { b, c }: D<E, F>, g = 1` → the parts between the outer commas. */
const splitList = (list: string): readonly string[] => {
  const parts: string[] = []
  let depth = 0
  let part = ""
  for (const character of list) {
    if ("([{<".includes(character)) depth++
    if (")]}>".includes(character)) depth--
    if (character === "," && depth === 0) {
      parts.push(part)
      part = ""
    } else part += character
  }
  return [...parts, part].map((text) => text.trim()).filter((text) => text !== "")
}

/** From the bracket at `open` to the one that closes it. */
const bracketed = (text: string, open: number): string => {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    if ("([{".includes(text[at]!)) depth++
    if (")]}".includes(text[at]!) && --depth === 0) return text.slice(open + 1, at)
  }
  return text.slice(open + 1)
}

const functionIn = (source: Source, name: string): Found | null => {
  const code = codeOf(source.text)
  const start = new RegExp(`^(?:export )?const ${name}\\b`, "m").exec(code)?.index
  if (start === undefined) return null
  const rest = code.slice(start)
  const end = /\n(?:export |const |type |interface )/.exec(rest.slice(1))?.index
  const text = end === undefined ? rest : rest.slice(0, end + 1)
  const generator = /function\*\s*\(/.exec(text)
  const open = generator ? generator.index + generator[0].length - 1 : text.indexOf("(", text.indexOf("="))
  const parameters = splitList(bracketed(text, open)).map((one) =>
    one.replace(/\s*[:=](?![^{]*\}).*$/s, "").trim(),
  )
  return { source, text, parameters }
}

/** `{ a, b: c, ...d }` → the keys it takes out; a rest takes none by name. */
const keysOf = (pattern: string): readonly string[] =>
  splitList(pattern.replace(/^\{|\}$/g, "")).map((part) => /^\w+/.exec(part)?.[0] ?? "")

/** What is read of the value that `name` stands for in this function, and in those it is handed to whole. */
const readsOf = (
  sources: readonly Source[],
  { source, text }: Found,
  name: string,
  seen: Set<string>,
): string[] => {
  const escaped = name.replace(".", "\\.")
  const reads = [...text.matchAll(new RegExp(`\\b${escaped}\\??\\.(\\w+)`, "g"))].map(([, key]) => key!)
  for (const [, pattern] of text.matchAll(new RegExp(`const (\\{[^=]*\\}) = ${escaped}\\b`, "g")))
    reads.push(...keysOf(pattern!))
  for (const { index, 1: callee } of text.matchAll(/\b([a-z]\w*)\(/g)) {
    const given = splitList(bracketed(text, index + callee!.length))
    const position = given.findIndex((one) => one === name || new RegExp(`\\.\\.\\.${escaped}\\b`).test(one))
    const found = position < 0 ? null : lookUp(sources, source, callee!)
    const key = `${callee} ${position}`
    if (!found || seen.has(key)) continue
    seen.add(key)
    const parameter = found.parameters[position] ?? ""
    reads.push(...(parameter.startsWith("{") ? keysOf(parameter) : readsOf(sources, found, parameter, seen)))
  }
  return reads
}

/** A function of this module, or one that it imports. */
const lookUp = (sources: readonly Source[], from: Source, name: string): Found | null => {
  const here = functionIn(from, name)
  if (here) return here
  const targets = new Set(importsOf(from.text).map(({ specifier }) => resolved(from.path, specifier)))
  for (const source of sources) {
    const there = targets.has(source.path) ? functionIn(source, name) : null
    if (there) return there
  }
  return null
}

/** The same of the arguments in the context that an action is given, and hands on. */
const argumentReads = (sources: readonly Source[], found: Found, seen: Set<string>): string[] => {
  const reads = [...found.text.matchAll(/\bargs: (\{[^{}]*\})/g)].flatMap(([, pattern]) => keysOf(pattern!))
  for (const name of ["args", "context.args"]) reads.push(...readsOf(sources, found, name, new Set()))
  for (const [, callee] of found.text.matchAll(/\b([a-z]\w*)\(context\b/g)) {
    const next = seen.has(callee!) ? null : lookUp(sources, found.source, callee!)
    seen.add(callee!)
    if (next) reads.push(...argumentReads(sources, next, seen))
  }
  return reads
}

const ARGS = /\n {2}args: \{\n([\s\S]*?)\n {2}\},/
const ACTION = /import\("([^"]+)"\)\.then\(\(m\) => m\.(\w+)\(context\)\)/

/** Flags and arguments that a command declares and its action never reads. */
export const unreadFlags = (sources: readonly Source[], command: Source): readonly string[] => {
  const code = codeOf(command.text)
  const declared = [...(ARGS.exec(code)?.[1] ?? "").matchAll(/^ {4}(\w+):/gm)].map(([, key]) => key!)
  if (declared.length === 0) return []
  const [, module, action] = ACTION.exec(code) ?? []
  const run = code.slice(code.search(/\n {2}run:/))
  const [home, text] = [sources.find(({ path }) => path === resolved(command.path, module ?? "")), action]
  const found =
    text === undefined ? { source: command, text: run, parameters: [] } : home ? functionIn(home, text) : null
  if (found === null) return [`its action ${action} is not found`]
  const reads = new Set(argumentReads(sources, found, new Set()))
  return declared
    .filter((key) => !reads.has(key))
    .map((key) => `declares ${key}, which its action never reads`)
}
