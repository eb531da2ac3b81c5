/**
 * What the database user of a gateway may do, table by table. A gateway reads the configuration, and writes usage, leases and reports.
 * A column list narrows a right to those columns.
 */
type Right = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE'
type Columns = readonly string[]
type TableGrants = Partial<Record<Right, true | Columns>>

const readOnly: TableGrants = { SELECT: true }
const report: TableGrants = { SELECT: true, INSERT: true, UPDATE: true, DELETE: true }
const sums: TableGrants = { SELECT: true, INSERT: true, UPDATE: true }

export const gatewayTableGrants: Readonly<Record<string, TableGrants>> = {
  migration: { SELECT: ['name'] },
  installation: { SELECT: ['encryption_key_id'] },
  config_version: readOnly,
  config_change: { SELECT: ['version', 'token', 'committed_at', 'subject_ids'] },
  app_user: { SELECT: ['id', 'name', 'role', 'state'] },
  api_key: {
    SELECT: [
      'id',
      'name',
      'owner_id',
      'hash',
      'earlier_secrets',
      'scopes',
      'is_route_bound',
      'expires_at',
      'revoked_at',
      'last_used_at',
    ],
    UPDATE: ['last_used_at'],
  },
  api_key_route: readOnly,
  provider: readOnly,
  provider_credential: readOnly,
  provider_header: readOnly,
  provider_model: readOnly,
  deployment: readOnly,
  deployment_endpoint: readOnly,
  route: readOnly,
  route_target: readOnly,
  route_fallback_backend: readOnly,
  route_access_user: readOnly,
  route_access_api_key: readOnly,
  rate_limit: readOnly,
  budget: readOnly,
  budget_bucket: report,
  budget_lease: report,
  gateway: report,
  limit_bucket: report,
  limit_lease: report,
  limit_refusal: report,
  gateway_traffic: report,
  usage_progress: report,
  usage_run: report,
  usage_loss: sums,
  usage_rollup: sums,
  usage_dimension: { SELECT: true, INSERT: true },
  // A gateway must know which records exist, but not read them.
  usage_record: { SELECT: ['id'], INSERT: true },
}

/** Tables that a gateway may not use. Every table is either here or above. */
export const withheldTables: readonly string[] = [
  'audit_entry',
  'deployment_probe',
  'idempotency_key',
  'route_revision',
  'usage_retention',
]

const functions = ['create_usage_partition(date)']

/**
 * The SQL that makes a database user for gateways, or gives an existing one exactly these rights. To be run by the owner of the
 * tables who may make roles, and again after each upgrade.
 */
export function gatewayGrantsSql({ user, schema }: { readonly user: string; readonly schema: string }): string {
  const role = quoteIdentifier(user)
  const place = quoteIdentifier(schema)
  const tables = Object.entries(gatewayTableGrants).map(
    ([table, grants]) => `GRANT ${rightsText(grants)} ON ${place}.${quoteIdentifier(table)} TO ${role};`,
  )
  return [
    'BEGIN;',
    'DO $create_user$ BEGIN',
    `  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteLiteral(user)}) THEN CREATE ROLE ${role} LOGIN; END IF;`,
    'END $create_user$;',
    `REVOKE ALL ON ALL TABLES IN SCHEMA ${place} FROM ${role};`,
    `REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ${place} FROM ${role};`,
    `GRANT USAGE ON SCHEMA ${place} TO ${role};`,
    ...tables,
    ...functions.map((name) => `GRANT EXECUTE ON FUNCTION ${place}.${name} TO ${role};`),
    'COMMIT;',
    '',
  ].join('\n')
}

function rightsText(grants: TableGrants): string {
  return Object.entries(grants)
    .map(([right, columns]) => (columns === true ? right : `${right} (${columns.map(quoteIdentifier).join(', ')})`))
    .join(', ')
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
