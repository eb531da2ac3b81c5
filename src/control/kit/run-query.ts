import type { Answer, ControlContext } from './context.ts'
import { RefusalError } from './refusal.ts'

/** What a command answers that changes nothing: it has no transaction, so it may take its time. */
export async function answerQuestion<T>(control: ControlContext, work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await work(), version: control.snapshots.current().version, spread: null }
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error
    return { ok: false, refusals: error.refusals, version: control.snapshots.current().version }
  }
}
