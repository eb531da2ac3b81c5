import type { Admission } from './admission.ts'
import type { SentAttempt, WaitAttempt } from './attempt.ts'
import type { AttemptRelay } from './attempt-relay.ts'

/**
 * Where a request is. `receiving`: its head and body are read. `deciding`: between two attempts. `waiting`: for a place at a
 * deployment. `attempting`: an upstream was called and has not answered. `relaying`: its answer passes to the client. `over`: all
 * was sent, or the client has left.
 */
export type Stage =
  | Admission
  | WaitAttempt
  | SentAttempt
  | AttemptRelay
  | { readonly stage: 'deciding' }
  | { readonly stage: 'over' }

export const deciding = { stage: 'deciding' } as const
export const over = { stage: 'over' } as const

/** Where the stage of a request stands. */
export interface StageHolder {
  stage: Stage
}

/** Gives back what a stage holds outside of the gateway: a place in a queue, or a call. */
export function leaveStage(stage: Stage): void {
  switch (stage.stage) {
    case 'waiting':
      return stage.wait.leave()
    case 'attempting':
      return stage.leave()
    case 'relaying':
      return stage.attempt.leave()
    case 'receiving':
    case 'deciding':
    case 'over':
  }
}
