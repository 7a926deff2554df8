// Names for the shapes of the API. schema.d.ts is generated: `npm run api`.
import type { components } from './schema.d.ts'

type Schemas = components['schemas']
export type Session = Schemas['Session']
export type Overview = Schemas['Overview']
export type StopState = Schemas['StopState']
export type PolicyFacts = Schemas['PolicyFacts']
export type LedgerHead = Schemas['LedgerHead']
export type LedgerEntry = Schemas['LedgerEntry']
export type GuardEvent = Schemas['Event']
export type EventLeaf = Schemas['EventLeaf']
export type Finding = Schemas['Finding']
export type Receipt = Schemas['Receipt']
export type TraceResult = Schemas['TraceResult']
export type Pack = Schemas['Pack']
export type Problem = Schemas['Problem']
