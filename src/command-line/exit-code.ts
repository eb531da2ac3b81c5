/** What the end of a command means to a script. `docs/operate.md` lists them for operators. */
export const exitCodes = {
  done: 0,
  failed: 1,
  /** An unknown command or option, or a value that the option does not take. Nothing was done. */
  usage: 2,
  /** The database does not answer. The same call may succeed later. */
  databaseAway: 3,
  /** What is there would have been overwritten. Nothing was done. */
  occupied: 4,
} as const

/** One of them, or 128 and the number of the signal that ended the command. */
export type ExitCode = number
