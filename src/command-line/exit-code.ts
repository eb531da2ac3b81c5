/** What the end of a command means to a script. `docs/operate.md` lists them for operators. */
export const exitCodes = {
  done: 0,
  failed: 1,
  /** An unknown command or option, or a value that the option does not take. Nothing was done. */
  usage: 2,
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]
