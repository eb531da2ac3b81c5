import { connectionType } from '../kit/connection.ts'
import { ApiKeyRef } from './ref.ts'

export const ApiKeyConnection = connectionType('ApiKey', ApiKeyRef, { isCounted: true, description: 'A page of keys.' })
