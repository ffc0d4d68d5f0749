// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGradientRounds} from "../../contracts/interfaces/IGradientRounds.sol";
import {OwnerStatus} from "../../contracts/libraries/TrainingSlots.sol";
import {TrainingState} from "../../contracts/libraries/TrainingStates.sol";
import {TrainingTest} from "./TrainingTest.sol";

/// @notice Acts on trainings at random, well and badly, beside a model of its own that says of each call whether it
/// must succeed and what it moves. Any difference reverts, and a revert fails the run.
contract TrainingHandler is TrainingTest {
    struct Member {
        OwnerStatus status;
        uint256 round;
        uint256 leftAtSec;
    }

    struct Purse {
        uint256 left;
        IGradientRounds.RoundPayout[2] payouts;
        bool[2] claimed;
    }

    struct Record {
        TrainingState state;
        IGradientRounds.TrainingTerms terms;
        uint256 round;
        uint256 owners;
        uint256 committed;
        uint256 phaseEndSec;
        bytes32 chain;
        uint256 attested;
        /// All that came in and all that went out, by what accounts have gained.
        uint256 receivedWei;
        uint256 paidWei;
    }

    uint256 private constant POOL = 5;
    uint256 private constant POT = uint256(REWARD) + ROUND_FEE;
    mapping(uint256 id => Record) private _records;
    mapping(uint256 id => mapping(uint256 i => Member)) private _members;
    mapping(uint256 id => mapping(uint256 round => Purse)) private _purses;
    uint256 public trainings;
    mapping(TrainingState from => mapping(TrainingState to => uint256)) public moves;
    mapping(OwnerStatus => uint256) public reached;
    uint256 public claims;

    function setUp() public override {
        super.setUp();
        vm.deal(MODEL_OWNER, 100_000 ether);
    }

    // ---- what can happen ---------------------------------------------------------------------------

    function open(uint256 wrong, uint256 seldom) external {
        // A training is met only while it is among the newest two.
        if (trainings > 1 && seldom % 3 != 0) return;
        IGradientRounds.TrainingRequest memory request = _asked();
        (request.rounds, request.minOwners, request.maxOwners, request.maxByzantine) = (2, 3, 4, 0);
        uint256 sentWei = 2 * POT + (wrong % 4 == 0 ? 1 : 0);
        vm.prank(MODEL_OWNER);
        try rounds.open{value: sentWei}(request) returns (uint256 id) {
            _true(sentWei == 2 * POT, "a wrong amount was taken");
            _true(id == ++trainings, "ids count up");
            Record storage record = _records[id];
            record.terms = _termsFor(request);
            record.chain = bytes32(bytes20(keccak256(abi.encode(record.terms))));
            record.receivedWei = sentWei;
            record.round = 1;
            record.phaseEndSec = block.timestamp + JOIN;
            _moved(id, TrainingState.Joining);
        } catch {
            _true(sentWei != 2 * POT, "the right amount was refused");
        }
    }

    function join(uint256 which, uint256 who) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        uint256 i = who % POOL;
        bool due = record.state == TrainingState.Joining && block.timestamp <= record.phaseEndSec
            && record.owners < 4 && _members[id][i].status == OwnerStatus.None;
        vm.prank(_owner(i));
        try rounds.join{value: DEPOSIT}(id, record.terms) {
            _true(due, "a join that is not due");
            ++record.owners;
            record.receivedWei += DEPOSIT;
            _became(id, i, OwnerStatus.Joined);
        } catch {
            _true(!due, "a due join was refused");
        }
    }

    function quit(uint256 which, uint256 who) external {
        (uint256 id, Record storage record) = _pick(which);
        // One in four, lest every training be deserted.
        if (id == 0 || who % 4 != 0) return;
        uint256 i = (who / 4) % POOL;
        bool due = _members[id][i].status == OwnerStatus.Joined && _running(record) && !_hasCommitted(id, i);
        vm.prank(_owner(i));
        try rounds.leaveTraining(id) {
            _true(due, "a leave that is not due");
            --record.owners;
            _members[id][i].leftAtSec = block.timestamp;
            _became(id, i, OwnerStatus.Left);
        } catch {
            _true(!due, "a due leave was refused");
        }
    }

    function start(uint256 which) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        bool due = record.state == TrainingState.Joining && record.owners >= 3
            && (block.timestamp > record.phaseEndSec || record.owners == 4)
            && block.timestamp <= record.phaseEndSec + COMMIT;
        try rounds.startRound(id, record.terms) {
            _true(due, "a start that is not due");
            record.phaseEndSec = block.timestamp + COMMIT;
            _moved(id, TrainingState.Committing);
        } catch {
            _true(!due, "a due start was refused");
        }
    }

    function commit(uint256 which, uint256 who, uint256 spoil) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        uint256 i = who % POOL;
        uint256 round = spoil % 8 == 0 ? record.round + 1 : record.round;
        bool due = record.state == TrainingState.Committing && round == record.round
            && block.timestamp <= record.phaseEndSec && _members[id][i].status == OwnerStatus.Joined
            && !_hasCommitted(id, i);
        bytes32[3] memory hashes = _hashes("update", spoil);
        vm.prank(_owner(i));
        try rounds.commit(id, round, hashes) {
            _true(due, "a commitment that is not due");
            record.chain =
                bytes32(bytes20(keccak256(abi.encode(record.chain, _root(id, round, _owner(i), hashes)))));
            ++record.committed;
            _members[id][i].round = round;
        } catch {
            _true(!due, "a due commitment was refused");
        }
    }

    function attest(uint256 which, uint256 firstWei, uint256 secondWei, uint256 spoil) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        bool due = record.state == TrainingState.Committing && record.committed >= 3
            && (block.timestamp > record.phaseEndSec || record.committed == record.owners)
            && block.timestamp <= record.phaseEndSec + ATTEST && spoil % 4 != 0;
        // Sometimes more in all than the round holds.
        Purse storage purse = _purses[id][record.round];
        IGradientRounds.RoundPayout memory first = IGradientRounds.RoundPayout(3, SELLER, firstWei % (POT * 3 / 4));
        IGradientRounds.RoundPayout memory second =
            IGradientRounds.RoundPayout(160 + id, members[1], secondWei % (POT * 3 / 4));
        IGradientRounds.RoundAttestation memory attestation = IGradientRounds.RoundAttestation(
            id, record.round, record.chain, keccak256("result"), _pair(_payoutLeaf(first), _payoutLeaf(second)), 1
        );
        bytes32[2][3] memory signatures = _spoiled(attestation, spoil);
        try rounds.attest(record.terms, attestation, signatures) {
            _true(due, "an attestation that is not due");
            _true(purse.left == 0 && record.attested == record.round - 1, "a round is attested once");
            (purse.payouts[0], purse.payouts[1]) = (first, second);
            purse.left = POT;
            ++record.attested;
            if (record.round == 2) {
                record.phaseEndSec = block.timestamp;
                _moved(id, TrainingState.Finished);
            } else {
                ++record.round;
                record.committed = 0;
                record.phaseEndSec = block.timestamp + JOIN;
                _moved(id, TrainingState.Joining);
            }
        } catch {
            _true(!due, "a due attestation was refused");
        }
    }

    function fail(uint256 which, uint8 first, uint8 second, uint256 spoil) external {
        (uint256 id, Record storage record) = _pick(which);
        (first, second) = (first % 5, second % 5);
        if (id == 0) return;
        uint256 round = spoil % 2 == 0 ? record.round : record.round - 1;
        bool due = _running(record) && spoil % 2 == 0 && first != second && first % 4 != 0 && second % 4 != 0;
        try rounds.fail(id, record.terms, _roundFailures(id, round, first, second)) {
            _true(due, "a failure that is not due");
            record.phaseEndSec = block.timestamp;
            _moved(id, TrainingState.Failed);
        } catch {
            _true(!due, "a due failure was refused");
        }
    }

    function expire(uint256 which) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        uint256 lastSec = record.phaseEndSec;
        if (record.state == TrainingState.Joining && record.owners >= 3) lastSec += COMMIT;
        if (record.state == TrainingState.Committing && record.committed >= 3) lastSec += ATTEST;
        bool due = _running(record) && block.timestamp > lastSec;
        try rounds.expire(id, record.terms) {
            _true(due, "an expiry that is not due");
            record.phaseEndSec = block.timestamp;
            _moved(id, TrainingState.Expired);
        } catch {
            _true(!due, "a due expiry was refused");
        }
    }

    function refund(uint256 which) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        bool due = record.state == TrainingState.Failed || record.state == TrainingState.Expired;
        uint256 balance = MODEL_OWNER.balance;
        try rounds.refund(id, record.terms) {
            _true(due, "a refund that is not due");
            _eq(MODEL_OWNER.balance - balance, (2 - record.attested) * POT, "the rounds that were not attested");
            record.paidWei += MODEL_OWNER.balance - balance;
            _moved(id, TrainingState.Refunded);
        } catch {
            _true(!due, "a due refund was refused");
        }
    }

    function claim(uint256 which, uint256 round, uint256 side, uint256 spoil) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        (round, side) = (1 + round % 2, side % 2);
        Purse storage purse = _purses[id][round];
        IGradientRounds.RoundPayout memory payout = purse.payouts[side];
        bool due = round <= record.attested && !purse.claimed[side] && payout.amount <= purse.left;
        bytes32[] memory proof = _proof(_payoutLeaf(purse.payouts[1 - side]));
        if (spoil % 4 == 0) (payout.amount, due) = (payout.amount + 1, false);
        uint256 balance = payout.account.balance;
        try rounds.claim(IGradientRounds.RoundClaim(id, round, address(0), payout, proof)) {
            _true(due, "a claim that is not due");
            purse.claimed[side] = true;
            purse.left -= payout.amount;
            record.paidWei += payout.account.balance - balance;
            ++claims;
        } catch {
            _true(!due, "a due claim was refused");
        }
    }

    function withdraw(uint256 which, uint256 who) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        uint256 i = who % POOL;
        Member storage member = _members[id][i];
        bool due = member.status == OwnerStatus.Left && block.timestamp > member.leftAtSec + EVIDENCE;
        if (member.status == OwnerStatus.Joined) {
            due = !_running(record) && block.timestamp > record.phaseEndSec + EVIDENCE;
        }
        uint256 balance = _owner(i).balance;
        try rounds.withdraw(id, record.terms, _owner(i)) {
            _true(due, "a withdrawal that is not due");
            record.paidWei += _owner(i).balance - balance;
            _became(id, i, OwnerStatus.Withdrawn);
        } catch {
            _true(!due, "a due withdrawal was refused");
        }
    }

    function convict(uint256 which, uint256 who, uint256 spoil) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0 || spoil % 3 != 0) return;
        uint256 i = who % POOL;
        OwnerStatus status = _members[id][i].status;
        bool due = (status == OwnerStatus.Joined || status == OwnerStatus.Left) && spoil % 2 == 0
            && !(status == OwnerStatus.Joined && _hasCommitted(id, i));
        uint256 key = spoil % 2 == 0 ? _ownerKey(i) : _ownerKey(i + 1);
        uint256 balance = STRANGER.balance;
        IGradientRounds.SignedCommitment[2] memory two =
            _pairOf(key, id, record.round, keccak256("one"), keccak256("other"));
        vm.prank(STRANGER);
        try rounds.convictOwner(id, record.terms, _owner(i), record.round, two) {
            _true(due, "a conviction that is not due");
            if (status == OwnerStatus.Joined && _running(record)) --record.owners;
            record.paidWei += STRANGER.balance - balance;
            _became(id, i, OwnerStatus.Convicted);
        } catch {
            _true(!due, "a due conviction was refused");
        }
    }

    function payForfeit(uint256 which, uint256 who) external {
        (uint256 id, Record storage record) = _pick(which);
        if (id == 0) return;
        uint256 i = who % POOL;
        uint256 balance = MODEL_OWNER.balance;
        try rounds.payForfeit(id, record.terms, _owner(i)) {
            record.paidWei += MODEL_OWNER.balance - balance;
            _true(_members[id][i].status == OwnerStatus.Convicted, "a forfeit that is not due");
            _became(id, i, OwnerStatus.Forfeited);
        } catch {
            _true(_members[id][i].status != OwnerStatus.Convicted, "a due forfeit was refused");
        }
    }

    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 150);
    }

    // ---- what must hold ----------------------------------------------------------------------------

    /// Compares every training with the model, and the money held with what is owed.
    function check() external view {
        uint256 owedWei;
        for (uint256 id = 1; id <= trainings; ++id) {
            Record storage record = _records[id];
            IGradientRounds.Training memory now_ = rounds.training(id);
            _inState(id, record.state);
            _eq(now_.round, record.round, "round");
            _eq(now_.owners, record.owners, "owners");
            _eq(now_.committed, record.committed, "commitments");
            _eq(now_.phaseEndSec, record.phaseEndSec, "end of the phase");
            _true(now_.inputRoot == record.chain, "the chain of commitments");
            bool refunded = record.state == TrainingState.Refunded;
            uint256 owed = refunded ? 0 : (2 - record.attested) * POT;
            for (uint256 i; i < POOL; ++i) {
                OwnerStatus status = _members[id][i].status;
                _hasStatus(id, _owner(i), status);
                if (status == OwnerStatus.Joined || status == OwnerStatus.Left) owed += DEPOSIT;
                if (status == OwnerStatus.Convicted) owed += DEPOSIT - DEPOSIT / 2;
            }
            for (uint256 round = 1; round <= 2; ++round) {
                (uint256 left,) = rounds.roundPurse(id, round);
                _eq(left, _purses[id][round].left, "what is left of a round");
                owed += left;
            }
            _eq(record.paidWei + owed, record.receivedWei, "paid and owed is what came in");
            owedWei += owed;
        }
        _eq(rounds.trainingCount(), trainings, "number of trainings");
        _eq(address(rounds).balance, owedWei, "the contract holds what it owes");
    }

    // ---- the model ---------------------------------------------------------------------------------

    /// Sets the model's state; the round and the state together never go back.
    function _moved(uint256 id, TrainingState to) private {
        Record storage record = _records[id];
        bool nextRound = record.state == TrainingState.Committing && to == TrainingState.Joining;
        _true(uint256(to) > uint256(record.state) || nextRound, "a state came back");
        ++moves[record.state][to];
        record.state = to;
    }

    function _became(uint256 id, uint256 i, OwnerStatus to) private {
        _true(uint256(to) > uint256(_members[id][i].status), "a status came back");
        ++reached[to];
        _members[id][i].status = to;
    }

    /// One of the newest two, so that a training is met often enough to get to its end.
    function _pick(uint256 which) private view returns (uint256 id, Record storage record) {
        id = trainings == 0 ? 0 : trainings - which % (trainings < 2 ? 1 : 2);
        record = _records[id];
    }

    function _running(Record storage record) private view returns (bool) {
        return record.state == TrainingState.Joining || record.state == TrainingState.Committing;
    }

    function _hasCommitted(uint256 id, uint256 i) private view returns (bool) {
        Record storage record = _records[id];
        return record.state == TrainingState.Committing && _members[id][i].round == record.round;
    }

    /// Bad signatures are of one who signs for another, or for another training, round, chain or contract.
    function _spoiled(IGradientRounds.RoundAttestation memory attestation, uint256 spoil)
        private
        view
        returns (bytes32[2][3] memory signatures)
    {
        bytes32 structHash = _roundHash(attestation);
        signatures = _signAll(_digest(_roundDomain(), structHash));
        if (spoil % 4 != 0) return signatures;
        uint256 kind = (spoil / 4) % 5;
        if (kind == 0) signatures[spoil / 20 % 3] = signatures[(spoil / 20 + 1) % 3];
        if (kind == 1) ++attestation.training;
        if (kind == 2) ++attestation.round;
        if (kind == 1 || kind == 2) signatures = _signAll(_roundDigest(attestation));
        if (kind == 1) --attestation.training;
        if (kind == 2) --attestation.round;
        if (kind == 3) signatures = _signAll(_digest(_domainOf(1, address(rounds)), structHash));
        if (kind == 4) signatures = _signAll(_digest(_domain(), structHash));
    }
}
