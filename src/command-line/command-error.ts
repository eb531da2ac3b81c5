import { type ExitCode, exitCodes } from './exit-code.ts'

/** A command failed, and the operator can fix it: the message says what is wrong and what to do. */
export class CommandError extends Error {
  override name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode = exitCodes.failed) {
    super(message)
    this.exitCode = exitCode
  }
}
