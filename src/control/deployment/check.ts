import { saveDeploymentProbe } from '../../storage/deployment/probe.ts'
import type { ControlContext } from '../kit/context.ts'
import { probeEndpoints } from './probe.ts'

/** Whether the endpoints are asked for their models before the answer; off by default, but on in the API. */
export interface CheckInput {
  readonly check?: boolean
}

/**
 * Asks the current endpoints for their models and stores the answers. An unreachable server is no reason to refuse the change: it may
 * start later.
 */
export async function checkDeployment(control: ControlContext, id: string): Promise<void> {
  const backend = control.snapshots.current().backends.get(id)
  if (backend?.kind !== 'deployment') return
  await saveDeploymentProbe(control.db, id, await probeEndpoints(control, backend))
}
