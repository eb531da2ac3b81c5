import { isAmong } from '../database/among.ts'
import type { Db } from '../database/db.ts'
import type { EndpointProbe } from './endpoint-probe.ts'

export interface DeploymentProbeRow {
  readonly deployment_id: string
  readonly at: Date
  readonly answers: readonly EndpointProbe[]
}

/** Stores the last probe of a deployment; does nothing if the deployment was deleted meanwhile. */
export async function saveDeploymentProbe(
  db: Db,
  deploymentId: string,
  answers: readonly EndpointProbe[],
): Promise<void> {
  await db
    .insertInto('deployment_probe')
    .columns(['deployment_id', 'at', 'answers'])
    .expression((eb) =>
      eb
        .selectFrom('deployment')
        .select((row) => [
          'id',
          row.fn<Date>('clock_timestamp').as('at'),
          row.cast<string>(row.val(JSON.stringify(answers)), 'jsonb').as('answers'),
        ])
        .where('id', '=', deploymentId)
        .forKeyShare(),
    )
    .onConflict((conflict) =>
      conflict
        .column('deployment_id')
        .doUpdateSet((eb) => ({ at: eb.ref('excluded.at'), answers: eb.ref('excluded.answers') })),
    )
    .execute()
}

/** The last probes of these deployments. */
export function listDeploymentProbes(db: Db, deploymentIds: readonly string[]): Promise<DeploymentProbeRow[]> {
  return db.selectFrom('deployment_probe').selectAll().where(isAmong('deployment_id', deploymentIds)).execute()
}
