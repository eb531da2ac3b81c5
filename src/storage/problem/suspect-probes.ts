import { sql, type SqlBool } from 'kysely'
import type { DeploymentProbeRow } from '../deployment/probe.ts'
import type { Db } from '../database/db.ts'

const maxDeployments = 200

/** Changes with each probe that is kept or goes. */
export async function readProbesMark(db: Db): Promise<string> {
  const { rows } = await sql<{ mark: string }>`
    select count(*) || ' ' || coalesce(max(at)::text, '') as mark from deployment_probe`.execute(db)
  return rows[0]!.mark
}

/** The last probes in which an endpoint did not list the model of its deployment at its base URL; at most 200. */
export function listSuspectProbes(db: Db): Promise<DeploymentProbeRow[]> {
  return db
    .selectFrom('deployment_probe')
    .innerJoin('deployment', 'deployment.id', 'deployment_probe.deployment_id')
    .selectAll('deployment_probe')
    .where(
      sql<SqlBool>`exists (
        select from jsonb_array_elements(answers) as answer
        where answer ->> 'kind' <> 'LISTED' or answer ->> 'listedAt' is not null
          or not (answer -> 'models' ? deployment.upstream_model))`,
    )
    .orderBy('deployment_id')
    .limit(maxDeployments)
    .execute()
}
