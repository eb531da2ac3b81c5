import type { ExitCode } from './exit-code.ts'

/** The process, as commands see it. `main.ts` alone reads its arguments, environment and signals. */
export interface Shell {
  readonly environment: NodeJS.ProcessEnv
  /** From the first call on, SIGTERM and SIGINT ask for an end in order, and a second one of them ends the process at once. */
  readonly listenForStop: () => StopRequest
  /** The exit code that a signal asked for, 128 and its number; undefined: none has come. */
  readonly stoppedWith: () => ExitCode | undefined
  /** The exit code of a command that ends without an error; `done` if nobody says another. */
  readonly endWith: (code: ExitCode) => void
}

export interface StopRequest {
  readonly signal: AbortSignal
  readonly requested: Promise<void>
}
