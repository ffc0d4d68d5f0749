// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketModel} from "./MarketModel.sol";

/// @notice The part of the walk that disputes results.
abstract contract DisputeHandler is MarketModel {
    function challenge(uint256 which, uint8 point, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        point = point % 3 + 1;
        bool due = (record.state == JobState.Attested || record.state == JobState.Disputed)
            && block.timestamp <= record.windowEndSec && !record.asked[point] && !_bad(spoil);
        // A bad one is another's, or comes with another fee.
        address buyer = record.terms.buyer;
        if (_bad(spoil) && spoil % 8 == 0) buyer = buyer == _buyers[0] ? _buyers[1] : _buyers[0];
        uint256 feeWei = _bad(spoil) && spoil % 8 == 4 ? CHALLENGE_FEE - 1 : CHALLENGE_FEE;
        Told memory told = _toldOf(job);
        vm.prank(buyer);
        try disputes.challenge{value: feeWei}(told.terms, told.outcome, told.parts, point, 0) {
            _true(due, "a challenge that is not due");
            record.dueSec[point] = block.timestamp + RESPONSE;
            record.asked[point] = true;
            ++record.open;
            _allFees += CHALLENGE_FEE;
            ++happened["challenged"];
            if (record.state == JobState.Attested) _moved(job, JobState.Disputed);
        } catch {
            _true(!due, "a due challenge was refused");
        }
    }

    function respond(uint256 which, uint8 point, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        point = _asked(record, point);
        bool due = record.dueSec[point] != 0 && block.timestamp <= record.dueSec[point] && !_bad(spoil);
        Told memory told = _toldOf(job);
        IDisputes.ChunkOpening memory opening = _opening(told, point, 0);
        if (_bad(spoil)) opening.elements[spoil % 32] ^= 0x01;
        uint256 balance = members[point - 1].balance;
        try disputes.respond(told.terms, told.outcome, told.parts, point, 0, opening) {
            _true(due, "an answer that is not due");
            _eq(members[point - 1].balance - balance, CHALLENGE_FEE, "the operator's fee");
            _closed(record, point);
            record.heldUntilSec = block.timestamp + RESPONSE;
            _allFees -= CHALLENGE_FEE;
            ++happened["answered"];
        } catch {
            _true(!due, "a due answer was refused");
        }
    }

    function expose(uint256 which, uint8 point) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        point = _asked(record, point);
        bool due = record.dueSec[point] != 0 && block.timestamp > record.dueSec[point];
        address operator = members[point - 1];
        address buyer = record.terms.buyer;
        uint256 balanceWei = buyer.balance;
        try disputes.expose(record.terms, record.outcome, point, 0) {
            _true(due, "an exposure that is not due");
            _closed(record, point);
            _returnedFees[buyer] += CHALLENGE_FEE;
            _eq(buyer.balance - balanceWei, _slashed(operator), "the reward and no more");
            ++happened[record.state == JobState.Disputed ? bytes32("exposed") : bytes32("exposed after another")];
            if (record.state == JobState.Disputed) _moved(job, JobState.Failed);
        } catch {
            _true(!due, "a due exposure was refused");
        }
    }

    function contest(uint256 which, uint8 place, uint256 spoil) external {
        (bytes32 job, Record storage record) = _pick(which);
        if (job == 0) return;
        place %= 2;
        bool open = record.state == JobState.Disputed
            || (record.state == JobState.Attested && block.timestamp <= record.windowEndSec);
        bool due = open && record.bent != 0 && place == 0 && !_bad(spoil);
        Told memory told = _toldOf(job);
        IDisputes.ChunkOpening[3] memory openings = _openings(told, 0);
        if (_bad(spoil)) openings[spoil % 3].elements[15] ^= 0x01;
        try disputes.contest(told.terms, told.outcome, told.parts, 0, place, openings) {
            _true(due, "a contest that is not due");
            ++happened["contested"];
            _moved(job, JobState.Failed);
        } catch {
            _true(!due, "a due contest was refused");
        }
    }

    function withdrawFees(uint256 who) external {
        address buyer = _buyers[who % 2];
        uint256 balanceWei = buyer.balance;
        disputes.withdrawFees(buyer);
        _eq(buyer.balance - balanceWei, _returnedFees[buyer], "the fees that came back");
        if (_returnedFees[buyer] != 0) ++happened["withdrew fees"];
        _allFees -= _returnedFees[buyer];
        _returnedFees[buyer] = 0;
    }

    /// A point that was asked for its chunk, if there is one; every eighth time any.
    function _asked(Record storage record, uint8 point) private view returns (uint8) {
        bool any = point >= 224;
        point = point % 3 + 1;
        for (uint8 i; i < 3 && !any && record.dueSec[point] == 0; ++i) point = point % 3 + 1;
        return point;
    }

    function _closed(Record storage record, uint8 point) private {
        record.dueSec[point] = 0;
        --record.open;
    }
}
