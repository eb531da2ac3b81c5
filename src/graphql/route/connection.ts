import { connectionType } from './connection.ts'
import { RouteRef } from './refs.ts'

export const RouteConnection = connectionType('Route', RouteRef, { isCounted: true, description: 'A page of routes.' })
