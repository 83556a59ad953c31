/** The little project of the tour: a function, and a check that a change to it must keep green. */
export const PROJECT: Readonly<Record<string, string>> = {
  "greet.js": `export const greet = (name) => \`hello \${name}\`\n`,
  "check.js": `import { greet } from "./greet.js"

const answer = greet("Ada")
if (!answer.includes("Ada")) {
  console.error(\`FAIL greet("Ada") is "\${answer}": it no longer greets by name\`)
  process.exit(1)
}
console.log(\`ok greet("Ada") is "\${answer}"\`)
`,
  "package.json": `${JSON.stringify({ name: "greeter", private: true, type: "module" }, null, 2)}\n`,
}

/** `runtime` runs check.js; `approvals` is the policy's own key. */
export const policy = (runtime: string, approvals: Readonly<Record<string, unknown>>): string =>
  `${JSON.stringify(
    {
      $schema: "./.hyperion/policy.schema.json",
      version: 1,
      guards: [{ id: "greets-by-name", command: [runtime, "check.js"] }],
      approvals,
      sandbox: "preferred",
    },
    null,
    2,
  )}\n`

export const GOOD = {
  request_id: "polite",
  summary: "Greet politely",
  kind: "feature",
  acceptance_criteria: ["a greeting starts with a capital letter and ends with an exclamation mark"],
  requested_changes: [
    {
      path: "greet.js",
      summary: "Greet with a capital letter and an exclamation mark",
      operation: "update",
      content: `export const greet = (name) => \`Hello, \${name}!\`\n`,
    },
    {
      path: "README.md",
      summary: "Say what the project does",
      operation: "add",
      content: "# greeter\n\nGreets people politely, by name.\n",
    },
  ],
} as const

export const BAD = {
  request_id: "shorter",
  summary: "Shorten the greeting",
  kind: "refactor",
  requested_changes: [
    {
      path: "greet.js",
      summary: "Drop the name from the greeting",
      operation: "update",
      content: "export const greet = () => `Hello!`\n",
    },
  ],
} as const
