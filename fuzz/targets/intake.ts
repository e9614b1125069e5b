/** What services and the city send: entries of the intake stream, rows of the city's API. */
import { serviceEventBody } from '../../packages/publisher/src/changes/event.js';
import { channelMeant, checkEntry, openEntry } from '../../packages/publisher/src/intake/entry.js';
import { classify } from '../../packages/publisher/src/sources/nyc/dataset.js';
import { DATASETS } from '../../packages/publisher/src/sources/nyc/datasets.js';
import { CityFailure } from '../../packages/publisher/src/sources/nyc/failure.js';
import { readPage } from '../../packages/publisher/src/sources/nyc/response.js';
import { isChannelId, parseChannel } from '../../packages/shared/src/protocol/index.js';
import { must, type Target } from '../target.js';

const intake: Target = {
  name: 'intake-entries',
  seeds: [
    'change\0{"property_id":"1012650001","violation_type":"DOB","violations":[{"number":"A1","severity":"high"}]}',
    'change\0[{"property_id":"1","violation_type":"HPD","added":[{"number":"1"}],"resolved":["2"]}]\0key\0k1',
    'change\0{"property_id":"1","violation_type":"ECB","count":3,"new_violations":1,"timestamp":1763700000}',
    'event\0{"channel":"state:blackboard","type":"STATE_UPDATE","key":"a","document":{"a":{"b":[1]}}}',
    'event\0{"channel":"user:landlord-7","type":"application_submitted","timestamp":1763700000,"1":2,"name":"x"}',
  ],
  words: [
    'change',
    'event',
    '\0',
    '\0key\0',
    '"property_id":',
    '"violations":[',
    '"channel":"',
    '"document":',
    '"patch":',
  ],
  run(input) {
    const opened = openEntry({ id: '1-1', fields: input.toString('utf8').split('\0') });
    if ('error' in opened) return;
    for (const each of opened.inputs) channelMeant(opened.kind, each);
    const checked = checkEntry(opened, 100);
    if ('error' in checked) {
      must(checked.error.length < 1_000, 'an error longer than a sentence');
      return;
    }
    for (const item of checked.content.items) {
      must(parseChannel(item.channel)?.channel === item.channel, 'a channel outside the grammar');
      if (item.kind === 'change') {
        must(isChannelId(item.change.property_id), 'a property outside the grammar');
        continue;
      }
      // The Lua script puts the id in front of it.
      const event = JSON.parse(serviceEventBody(item.event, 1)) as Record<string, unknown>;
      must(event.channel === item.channel, 'an event says another channel than the one it goes to');
      must(event.id === undefined, 'an event brings an id of its own');
    }
  },
};

const ROWS = [
  '[{"violationid":"1","bbl":"1012650001","class":"C","violationstatus":"Open","inspectiondate":"2026-01-02T00:00:00.000"}]',
  '[{"isn_dob_bis_viol":"7","boro":"1","block":"01265","lot":"00001","issue_date":"20260102","violation_category":"V-DOB VIOLATION - ACTIVE"}]',
  '[{"ecb_violation_number":"A","boro":"3","block":"1","lot":"1","severity":"CLASS - 1","ecb_violation_status":"ACTIVE"}]',
  '[]',
  '{"error":true,"code":"query.soql.no-such-column"}',
];

const rows: Target = {
  name: 'city-rows',
  seeds: ROWS,
  words: [
    '"bbl":',
    '"boro":',
    '"block":',
    '"lot":',
    '"violationstatus":',
    '"class":',
    '"issue_date":',
    '20260230',
    ' ',
  ],
  async run(input) {
    for (const dataset of DATASETS) {
      const response = new Response(new Uint8Array(input), { headers: { 'x-soda2-fields': '["bbl"' } });
      try {
        const page = await readPage(dataset, response, { required: [], maxBytes: 65_536, now: 0 });
        for (const row of page.rows) {
          const result = classify(dataset, row);
          if (result.kind !== 'quarantined') must(/^[1-5]\d{9}$/.test(result.bbl), 'a property that is no BBL');
        }
      } catch (error) {
        if (!(error instanceof CityFailure)) throw error;
      }
    }
  },
};

export const intakeTargets = (): Target[] => [intake, rows];
