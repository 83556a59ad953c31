import { STATES } from "../../domain/entry.ts"
import { defineCommand } from "../command.ts"
import { refuseTimeout, TIMEOUT } from "../timeout.ts"

export default defineCommand({
  args: {
    ids: {
      type: "positional",
      value: "ID",
      required: true,
      multiple: true,
      description: "Entry, cast, task, request or commit",
    },
    for: {
      type: "enum",
      value: "STATE",
      options: ["decided", ...STATES],
      description: "A state; decided (the default): landed, ended, or waiting for a person's approval",
    },
    timeout: TIMEOUT,
  },
  examples: [
    ["hyperion wait 12 --timeout 15m", "Exit 0 landed, 3 conflict, 4 approval missing, 6 guard failed, 124"],
    ["hyperion wait login --for applied", "All of a request, through its approvals"],
  ],
  refuse: ({ timeout }) => refuseTimeout(timeout),
  run: (context) => import("../actions/wait.ts").then((m) => m.waitFor(context)),
})
