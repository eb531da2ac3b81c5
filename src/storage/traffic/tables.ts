/** The columns of `gateway_traffic`, as the driver returns and takes them. */
import type { Generated, JSONColumnType } from 'kysely'
import type { PlaceInFlight, RouteSecond } from '../../routing/traffic/report.ts'

export interface TrafficTables {
  gateway_traffic: GatewayTrafficTable
}

interface GatewayTrafficTable {
  route_id: string
  second: number
  gateway_id: string
  report: JSONColumnType<RouteSecond>
  in_flight: JSONColumnType<readonly PlaceInFlight[]>
  written_at: Generated<Date>
}
