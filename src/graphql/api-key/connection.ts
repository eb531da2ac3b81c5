import { connectionType } from '../kit/connection.ts'
import { ApiKeyRef } from '../schema/refs.ts'

export const ApiKeyConnection = connectionType('ApiKey', ApiKeyRef, { isCounted: true, description: 'A page of keys.' })
