import { describe, expect, test } from "bun:test"
import { childEnv, looksSecret } from "../../src/platform/child-env.ts"

const source = {
  PATH: "/opt/bin:/usr/bin",
  HOME: "/home/operator",
  LANG: "de_DE.UTF-8",
  CI: "true",
  NODE_ENV: "test",
  GITHUB_TOKEN: "planted",
  AWS_REGION: "planted",
  DB_PASSWORD: "planted",
  HTTPS_PROXY: "http://operator:planted@proxy.example",
  BUN_OPTIONS: "--preload planted",
  BUN_BE_BUN: "planted",
  NODE_OPTIONS: "planted",
}

describe("childEnv", () => {
  test("takes a fixed base and what is allowed", () => {
    expect(childEnv({ source, allow: ["NODE_ENV", "ABSENT"], set: { CI: "1" } })).toEqual({
      PATH: "/opt/bin:/usr/bin",
      HOME: "/home/operator",
      LANG: "de_DE.UTF-8",
      TERM: "dumb",
      NODE_ENV: "test",
      CI: "1",
    })
  })

  test("an allowed name cannot bring a secret or a loader in", () => {
    const env = childEnv({ source, allow: Object.keys(source), set: { NODE_OPTIONS: "planted" } })
    expect(JSON.stringify(env)).not.toContain("planted")
  })

  test("a credential passes only when it is named as one", () => {
    expect(childEnv({ source, credentials: ["GITHUB_TOKEN", "BUN_OPTIONS"] })).toMatchObject({
      GITHUB_TOKEN: "planted",
    })
    expect(childEnv({ source, credentials: ["BUN_OPTIONS"] })).not.toHaveProperty("BUN_OPTIONS")
  })

  test.each([
    "GITHUB_ACTOR",
    "npm_config__auth",
    "ANTHROPIC_BASE_URL",
    "OPENAI_ORG",
    "SIGNING_KEY",
    "key",
    "my_api_key",
    "APIKEY",
    "Passwd",
    "SSH_AUTH_SOCK",
    "SESSION_COOKIE",
    "OTEL_EXPORTER_OTLP_HEADERS",
  ])("%s looks secret", (name) => expect(looksSecret(name)).toBe(true))

  test.each(["PATH", "PWD", "CI", "KEYBOARD", "MONKEY", "NODE_ENV", "LANG", "PATTERN", "AUTHOR"])(
    "%s does not",
    (name) => expect(looksSecret(name)).toBe(false),
  )
})
