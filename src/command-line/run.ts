import { CommanderError } from 'commander'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { createProgram } from './program.ts'
import type { Shell } from './shell.ts'
import { tell } from './print.ts'

/** Runs the command of these arguments, without the program's own name. What went wrong is told on stderr. */
export async function runCommandLine(args: readonly string[], shell: Shell): Promise<void> {
  const program = await createProgram(shell)
  try {
    await program.parseAsync(args.length > 0 ? args : ['help'], { from: 'user' })
  } catch (error) {
    shell.endWith(exitCodeOf(error))
    // The library has told its own already.
    if (!(error instanceof CommanderError)) tell(describeFailure(error))
  }
}

function exitCodeOf(error: unknown): ExitCode {
  // "Errors" of its are also that help was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  return exitCodes.failed
}

const mendable = ['StartError', 'ConfigError', 'MigrationError']

/** What the operator can mend is told in its own words; of everything else the place matters too. */
function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return mendable.includes(error.name) ? error.message : (error.stack ?? error.message)
}
