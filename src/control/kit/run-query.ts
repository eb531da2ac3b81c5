import type { Answer, ControlContext } from './context.ts'
import { RefusalError } from './refusal.ts'

/** Runs a command that changes nothing. It has no transaction, so it may take long. */
export async function answerQuestion<T>(control: ControlContext, work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await work(), version: control.snapshots.current().version, spread: null }
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error
    return { ok: false, refusals: error.refusals, version: control.snapshots.current().version }
  }
}
