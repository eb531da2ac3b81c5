import type { Generated, JSONColumnType } from 'kysely'
import type { HealthCheck } from '../../routing/config/configuration.ts'
import type { DeploymentEngine, LoadBalancing, ModelCategory, ServingState } from '../../routing/config/vocabulary.ts'
import type { PricingColumns } from '../backend/pricing-columns.ts'
import type { EndpointProbe } from './endpoint-probe.ts'
import type { VersionedColumns } from '../database/columns.ts'
import type { AbilityColumns, RequestRulesColumns } from '../backend/tables.ts'

export interface DeploymentTables {
  deployment: DeploymentTable
  deployment_endpoint: DeploymentEndpointTable
  deployment_probe: DeploymentProbeTable
}

interface DeploymentTable extends VersionedColumns, PricingColumns, AbilityColumns, RequestRulesColumns {
  name: string
  description: string
  engine: DeploymentEngine
  upstream_model: string
  categories: ModelCategory[]
  state: Generated<ServingState>
  load_balancing: LoadBalancing
  health_check: JSONColumnType<HealthCheck> | null
  queue_max_waiting: number
  queue_max_wait_ms: number
  secret_hint: string | null
  sealed_secret: Buffer | null
}

interface DeploymentEndpointTable {
  id: string
  deployment_id: string
  url: string
  weight: number
  max_in_flight: number | null
  state: Generated<ServingState>
}

interface DeploymentProbeTable {
  deployment_id: string
  at: Date
  answers: JSONColumnType<EndpointProbe[]>
}
