import { expect, test } from "bun:test"
import { cacheDir } from "../../src/platform/cache-dir.ts"

test("the cache folder is an absolute path, whatever the environment says", () => {
  expect(cacheDir({ HOME: "/home/ada" })).toBe("/home/ada/.cache/hyperion")
  expect(cacheDir({ HOME: "/home/ada", XDG_CACHE_HOME: "/var/cache" })).toBe("/var/cache/hyperion")
  expect(cacheDir({ HOME: "/home/ada", HYPERION_CACHE: "/mnt/c" })).toBe("/mnt/c")
  // In the repository a candidate's programs would find its dependencies by walking up.
  expect(cacheDir({ HOME: "/home/ada", XDG_CACHE_HOME: "cache" })).toBe("/home/ada/.cache/hyperion")
  expect(cacheDir({ HOME: "/home/ada", HYPERION_CACHE: "./cache" })).toBe("/home/ada/.cache/hyperion")
})
