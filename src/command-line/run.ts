import { CommanderError } from 'commander'
import { CommandError } from './command-error.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { createProgram } from './program.ts'
import type { Shell } from './shell.ts'
import { tell } from './print.ts'

/** Runs the command of these arguments, which do not include the program's name. Errors go to stderr. */
export async function runCommandLine(args: readonly string[], shell: Shell): Promise<void> {
  const program = await createProgram(shell)
  try {
    await program.parseAsync(args.length > 0 ? args : ['help'], { from: 'user' })
  } catch (error) {
    const stopped = shell.stoppedWith()
    shell.endWith(stopped ?? exitCodeOf(error))
    // The library has already printed its own errors, and a stopped command failed because it was stopped.
    if (stopped === undefined && !(error instanceof CommanderError)) tell(describeFailure(error))
  }
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode
  if ((error as Error).name === 'DatabaseAwayError') return exitCodes.databaseAway
  // A request for help is an "error" of the library too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  return exitCodes.failed
}

const mendable = ['StartError', 'ConfigError', 'MigrationError', 'CommandError', 'DatabaseAwayError']

/** Errors that the operator can fix show only their message; all others show the stack too. */
function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (isOfDatabase(error)) return `The database said: ${error.message} (SQLSTATE ${error.code})`
  return mendable.includes(error.name) ? error.message : (error.stack ?? error.message)
}

function isOfDatabase(error: Error): error is Error & { readonly code: string } {
  return 'severity' in error && 'code' in error
}
