/** The exit codes of commands. `docs/operate.md` lists them for operators. */
export const exitCodes = {
  done: 0,
  failed: 1,
  /** An unknown command or option, or a value that the option does not take. Nothing was done. */
  usage: 2,
  /** The database does not answer. The same call may succeed later. */
  databaseAway: 3,
  /** Existing data would have been overwritten. Nothing was done. */
  occupied: 4,
} as const

/** One of these codes, or 128 plus the number of the signal that ended the command. */
export type ExitCode = number
