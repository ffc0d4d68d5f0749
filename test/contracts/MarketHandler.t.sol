// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {DisputeHandler} from "./DisputeHandler.sol";

/// @notice Acts on a market at random, well and badly, beside a model of its own that says of each call whether
/// it must succeed and what it moves. Any difference reverts, and a revert fails the run.
contract MarketHandler is DisputeHandler {
    // ---- funding -----------------------------------------------------------------------------------

    function fund(uint256 who, uint256 duration, uint256 mask, int8 wrong) external {
        if (_busy() && (who >> 8) % 4 != 0) return;
        _load(_generations.length - 1);
        bool inToken = (duration >> 16) % 3 == 0;
        uint256[] memory sets = _setsOf(mask, inToken);
        // One job in sixteen wants an exact result, which no budget with a limit allows.
        uint64 microRho = duration % 16 == 0 ? EXACT : uint64(duration % 60);
        IJobEscrow.JobRequest memory request = _requestOver(sets, inToken, microRho);
        request.deadlineSec = uint64(block.timestamp + 60 + duration % 400);
        (uint256 price, bool enough) = _priceOf(sets, inToken, microRho);
        address buyer = _buyers[who % 2];
        bytes32 job = _job(_terms(buyer, request, price));
        // One call in four offers a little too much or too little.
        uint256 given = wrong % 4 == 1 ? price + uint256(int256(wrong)) : price;
        if (wrong % 4 == -1) given = price - uint256(-int256(wrong));
        bool due = enough && _records[job].state == JobState.None && (inToken ? given >= price : given == price);
        if (_funded(buyer, request, inToken, given)) {
            _true(due, "a job was funded that must not be");
            Record storage record = _records[job];
            record.terms = _terms(buyer, request, price);
            record.spec = _spec(request);
            record.generation = _generations.length - 1;
            for (uint256 i; i < sets.length; ++i) {
                record.sets.push(sets[i]);
                _generations[record.generation].left[sets[i]] -= microRho;
            }
            _jobs.push(job);
            _moved(job, JobState.Funded);
            if (inToken) ++happened["funded in a token"];
        } else {
            _true(!due, "a job was refused that must be funded");
            if (!enough) ++happened["refused for a budget"];
        }
    }

    /// Whether the newest jobs are all under way: a job is met only while it is among them.
    function _busy() private view returns (bool) {
        for (uint256 i = 1; i <= 3; ++i) {
            if (i > _jobs.length) return false;
            JobState state = _records[_jobs[_jobs.length - i]].state;
            if (state == JobState.Settled || state == JobState.Refunded) return false;
        }
        return true;
    }

    function _setsOf(uint256 mask, bool inToken) private pure returns (uint256[] memory sets) {
        uint256 from = inToken ? IN_ETH : 0;
        uint256 most = inToken ? SETS - IN_ETH : IN_ETH;
        mask = mask % (2 ** most - 1) + 1;
        sets = new uint256[](most);
        uint256 count;
        for (uint256 i; i < most; ++i) if ((mask >> i) & 1 == 1) sets[count++] = from + i;
        assembly ("memory-safe") {
            mstore(sets, count)
        }
    }

    function _requestOver(uint256[] memory sets, bool inToken, uint64 microRho)
        private
        view
        returns (IJobEscrow.JobRequest memory request)
    {
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](sets.length);
        for (uint256 i; i < sets.length; ++i) uses[i] = _useOf(sets[i]);
        request = _request(uses);
        request.microRho = microRho;
        if (inToken) request.token = address(_token);
    }

    function _priceOf(uint256[] memory sets, bool inToken, uint64 microRho)
        private
        view
        returns (uint256 price, bool enough)
    {
        price = 3 * uint256(inToken ? TOKEN_FEE : FEE);
        enough = true;
        for (uint256 i; i < sets.length; ++i) {
            price += _prices[sets[i]] + (microRho == EXACT ? 0 : RHO_PRICE * uint256(microRho));
            enough = enough && microRho <= _generations[_generations.length - 1].left[sets[i]];
        }
    }

    function _funded(address buyer, IJobEscrow.JobRequest memory request, bool inToken, uint256 given)
        private
        returns (bool)
    {
        if (inToken) {
            vm.prank(buyer);
            _token.approve(address(escrow), given);
        }
        vm.prank(buyer);
        try escrow.createJob{value: inToken ? 0 : given}(request) {
            return true;
        } catch {
            return false;
        }
    }

    // ---- running -----------------------------------------------------------------------------------

    function join(uint256 which, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        bool due =
            record.state == JobState.Funded && block.timestamp <= record.terms.deadlineSec && !_bad(spoil);
        bytes32[2][3] memory signatures = _spoiled(_joinHash(job), job, spoil);
        try escrow.join(record.terms, signatures) {
            _true(due, "a join that is not due");
            record.joined = true;
            _moved(job, JobState.Joined);
        } catch {
            _true(!due, "a due join was refused");
        }
    }

    function attest(uint256 which, uint256 first, uint256 second, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        bool due = record.state == JobState.Joined && block.timestamp <= _lastSec(record) && !_bad(spoil);
        bool late = due && block.timestamp > record.terms.deadlineSec;
        IJobEscrow.Payout[2] memory payouts;
        // Sometimes more in all than the job holds.
        uint256 modulus = uint256(record.terms.amount) * 3 / 4;
        payouts[0] = IJobEscrow.Payout(uint256(job) % 110, SELLER, first % modulus);
        payouts[1] = IJobEscrow.Payout(110 + uint256(job) % 300, address(0x9a1), second % modulus);
        // One result in two has a coordinate that is on no line.
        if (due) record.bent = (spoil >> 8) % 2 == 0 ? 0 : (spoil >> 16) % 3 + 1;
        IJobEscrow.ResultParts memory parts = _partsOf(job, _sharesOf(job));
        bytes32 payoutRoot = _pair(_leaf(payouts[0]), _leaf(payouts[1]));
        IJobEscrow.Attestation memory attestation =
            IJobEscrow.Attestation(job, _resultRoot(parts), payoutRoot, 0);
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        if (_bad(spoil)) signatures[spoil % 3] = _sign(keys[(spoil + 1) % 3], _attestDigest(attestation));
        try escrow.attest(record.terms, parts, payoutRoot, 0, signatures) {
            _true(due, "an attestation that is not due");
            record.parts = parts;
            (record.payouts[0], record.payouts[1]) = (payouts[0], payouts[1]);
            record.outcome = _outcome(record.terms, payoutRoot);
            record.outcome.resultRoot = attestation.resultRoot;
            record.windowEndSec = block.timestamp + WINDOW;
            _moved(job, JobState.Attested);
            if (late) ++happened["attested in grace"];
        } catch {
            _true(!due, "a due attestation was refused");
        }
    }

    function accept(uint256 which, uint256 who) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        bool due = _settles(record) && _buyers[who % 2] == record.terms.buyer;
        vm.prank(_buyers[who % 2]);
        try escrow.accept(job, record.outcome) {
            _true(due, "an acceptance that is not due");
            _moved(job, JobState.Settled);
        } catch {
            _true(!due, "a due acceptance was refused");
        }
    }

    function settle(uint256 which) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        bool due = _settles(record) && block.timestamp > record.windowEndSec
            && block.timestamp > record.heldUntilSec;
        bool early = _settles(record) && !due && block.timestamp > record.windowEndSec;
        try escrow.settle(job, record.outcome) {
            _true(due, "a settlement that is not due");
            _moved(job, JobState.Settled);
        } catch {
            _true(!due, "a due settlement was refused");
            if (early) ++happened["held for an answer"];
        }
    }

    function _settles(Record storage record) private view returns (bool) {
        return record.state == JobState.Attested || (record.state == JobState.Disputed && record.open == 0);
    }

    // ---- ending ------------------------------------------------------------------------------------

    function fail(uint256 which, uint8 first, uint8 second) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        (first, second) = (first % 5, second % 5);
        bool due = _isUnfinished(record) && first != second && first % 4 != 0 && second % 4 != 0;
        try escrow.fail(record.terms, _notices(job, first, second)) {
            _true(due, "a failure that is not due");
            _moved(job, JobState.Failed);
        } catch {
            _true(!due, "a due failure was refused");
        }
    }

    function refund(uint256 which, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        IJobEscrow.JobTerms memory terms = record.terms;
        bool expired = _isUnfinished(record) && block.timestamp > _lastSec(record);
        bool due = (record.state == JobState.Failed || expired) && !_bad(spoil);
        // Other terms are the name of a job that there is not.
        if (_bad(spoil)) terms.amount += 1;
        uint256 balance = _balance(terms.token, terms.buyer);
        try escrow.refund(terms) {
            _true(due, "a refund that is not due");
            record.refunded += _balance(terms.token, terms.buyer) - balance;
            _moved(job, JobState.Refunded);
        } catch {
            _true(!due, "a due refund was refused");
        }
    }

    function claim(uint256 which, uint256 side, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        side %= 2;
        IJobEscrow.Payout memory payout = record.payouts[side];
        bool due = record.state == JobState.Settled && !record.claimed[side]
            && payout.amount <= record.terms.amount - record.paid && !_bad(spoil);
        bytes32[] memory proof = _proof(_leaf(record.payouts[1 - side]));
        if (_bad(spoil)) payout.amount += 1;
        uint256 balance = _balance(record.terms.token, payout.account);
        try escrow.claim(job, record.outcome, payout, proof) {
            _true(due, "a claim that is not due");
            record.claimed[side] = true;
            record.paid += _balance(record.terms.token, payout.account) - balance;
            ++happened[record.terms.token == address(0) ? bytes32("claimed") : bytes32("claimed in a token")];
        } catch {
            _true(!due, "a due claim was refused");
        }
    }

    // ---- budgets -----------------------------------------------------------------------------------

    /// Gives back what a job reserved; due once, after an end before the operators joined.
    function returnBudget(uint256 which, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        bool due = _isOver(record) && !record.joined && !record.returned && !_bad(spoil);
        IJobEscrow.JobSpec memory spec = record.spec;
        if (_bad(spoil)) spec.microRho += 1;
        try escrow.returnBudget(record.terms, spec, _sellers(record)) {
            _true(due, "a budget came back that was not due");
            _gaveBack(record, "returned");
        } catch {
            _true(!due, "a budget that was due was kept");
        }
    }

    /// The same by the word of all three, also after they joined.
    function returnUnopened(uint256 which, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        bool due = _isOver(record) && !record.returned && !_bad(spoil);
        bool joined = record.joined;
        bytes32 structHash = keccak256(abi.encode(keccak256("Unopened(bytes32 job)"), job));
        try escrow.returnUnopened(record.terms, record.spec, _sellers(record), _spoiled(structHash, job, spoil)) {
            _true(due, "a budget came back that was not due");
            _gaveBack(record, joined ? bytes32("returned unopened") : bytes32("returned"));
        } catch {
            _true(!due, "a budget that was due was kept");
        }
    }

    function _gaveBack(Record storage record, bytes32 how) private {
        record.returned = true;
        ++happened[how];
        Generation storage generation = _generations[record.generation];
        for (uint256 i; i < record.sets.length; ++i) generation.left[record.sets[i]] += record.spec.microRho;
    }

    function _sellers(Record storage record) private view returns (address[] memory sellers) {
        sellers = new address[](record.sets.length);
        for (uint256 i; i < sellers.length; ++i) sellers[i] = SELLER;
    }

    // ---- the world around --------------------------------------------------------------------------

    function reprice(uint256 which, uint96 price) external {
        _load(_generations.length - 1);
        which %= SETS;
        _prices[which] = price % 1 ether;
        _relist(_useOf(which));
        if (_generations.length > 1) _relistOld(which, price % (_generations.length - 1));
    }

    /// An offer that was replaced is never listed again.
    function _relistOld(uint256 which, uint256 generation) private {
        bytes32 operatorSet = _setOf(_generations[generation].members);
        bytes32 root = _generations[generation].roots[which];
        IOfferRegistry.UseTerms memory terms = _termsOf(which);
        IOfferRegistry.Rules[] memory rules = _rulesOf(which);
        vm.prank(SELLER);
        try offers.relist(operatorSet, root, terms, rules) {
            _true(false, "a replaced offer was listed again");
        } catch {
            ++happened["refused for a replacement"];
        }
    }

    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 150);
    }

    /// Signatures over a struct; bad ones are a stranger's, another's, for another job, chain or contract.
    function _spoiled(bytes32 structHash, bytes32 job, uint256 spoil)
        private
        view
        returns (bytes32[2][3] memory signatures)
    {
        bytes32 digest = _digest(_domain(), structHash);
        signatures = _signAll(digest);
        if (!_bad(spoil)) return signatures;
        uint256 kind = (spoil / 4) % 5;
        uint256 point = (spoil / 20) % 3;
        if (kind == 0) signatures[point] = _sign(0xdead, digest);
        if (kind == 1) signatures[point] = signatures[(point + 1) % 3];
        if (kind == 2) signatures = _signAll(_joinDigest(~job));
        if (kind == 3) signatures = _signAll(_digest(_domainOf(1, address(escrow)), structHash));
        if (kind == 4) signatures = _signAll(_digest(_domainOf(block.chainid, address(operators)), structHash));
    }
}
