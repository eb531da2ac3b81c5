import { isAmong } from './among.ts'
import type { Db } from './database.ts'

/** What an endpoint of a deployment said when it was asked for its models. */
export interface EndpointProbe {
  readonly endpointId: string
  readonly kind: 'LISTED' | 'SILENT' | 'UNREACHABLE' | 'FORBIDDEN_ADDRESS' | 'CREDENTIAL_REFUSED'
  /** The models that it lists, at most 500; null: it lists none. */
  readonly models: readonly string[] | null
  /** The base URL at which it lists models, if that is another than its own. */
  readonly listedAt: string | null
  /** What went wrong, for an operator; null: nothing. */
  readonly fault: string | null
}

export interface DeploymentProbeRow {
  readonly deployment_id: string
  readonly at: Date
  readonly answers: readonly EndpointProbe[]
}

/** Keeps the last probe of a deployment; nothing if the deployment is gone meanwhile. */
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
