import { dispatch, type Io, reportStray } from "./cli/dispatch.ts"
import { printOnce } from "./platform/stdio.ts"

const argv = process.argv.slice(2)
const io: Io = {
  env: process.env,
  open: async (noColor) => {
    const { fdSink } = await import("./platform/fd-sink.ts")
    for (const event of ["uncaughtException", "unhandledRejection"]) {
      process.on(event, (thrown) => reportStray(thrown, argv, io).then(process.exit))
    }
    return { stdout: fdSink(1, process.env, noColor), stderr: fdSink(2, process.env, noColor) }
  },
  // Bun has looked already: when it sees no reason to colour, nobody is at a terminal.
  printOnce: Bun.enableANSIColors ? undefined : printOnce,
}

process.exit(await dispatch(argv, io))
