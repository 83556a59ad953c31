import { dispatch, type Io, reportStray } from "./cli/dispatch.ts"
import { fdSink } from "./platform/stdio.ts"

const argv = process.argv.slice(2)
const io: Io = {
  env: process.env,
  stdout: (noColor) => fdSink(1, process.env, noColor),
  stderr: (noColor) => fdSink(2, process.env, noColor),
  beforeCommand: () => {
    for (const event of ["uncaughtException", "unhandledRejection"]) {
      process.on(event, (thrown) => process.exit(reportStray(thrown, argv, io)))
    }
  },
}

process.exit(await dispatch(argv, io))
