/**
 * A process that looks at the queue in FILE again and again, as a screen does, until its stdin ends; then it says how
 * often. `held` instead of `short`: it looks once, and does not let go.
 */
import { Database } from "bun:sqlite"

const [file, how] = process.argv.slice(2)
const db = new Database(file!, { readonly: true })
db.run("PRAGMA busy_timeout = 5000")
const list = db.prepare("SELECT * FROM entry ORDER BY id DESC LIMIT 50")
let looks = 0
const look = () => {
  list.all()
  if (looks++ === 0) process.stdout.write("looking\n")
}
if (how === "held") db.run("BEGIN")
look()
const polling = how === "held" ? undefined : setInterval(look, 2)
for await (const _ of Bun.stdin.stream());
clearInterval(polling)
process.stdout.write(`${looks}\n`)
