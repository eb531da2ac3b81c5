import type { ExitCode } from './exit-code.ts'

/** The process, as commands see it. `main.ts` alone reads its arguments, environment and signals. */
export interface Shell {
  readonly environment: NodeJS.ProcessEnv
  /** From the first call on, SIGTERM or SIGINT asks for a graceful end, and a second signal ends the process at once. */
  readonly listenForStop: () => StopRequest
  /** The exit code for a received signal, 128 plus its number; undefined if none was received. */
  readonly stoppedWith: () => ExitCode | undefined
  /** The exit code of a command that ends without an error; `done` unless it was set. */
  readonly endWith: (code: ExitCode) => void
}

export interface StopRequest {
  readonly signal: AbortSignal
  readonly requested: Promise<void>
}
