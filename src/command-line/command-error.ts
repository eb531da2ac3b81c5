import { type ExitCode, exitCodes } from './exit-code.ts'

/** A command cannot do what it was asked for, and the operator can mend it: the message says what is wrong and what to do. */
export class CommandError extends Error {
  override name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode = exitCodes.failed) {
    super(message)
    this.exitCode = exitCode
  }
}
