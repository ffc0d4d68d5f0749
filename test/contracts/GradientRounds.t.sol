// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGradientRounds} from "../../contracts/interfaces/IGradientRounds.sol";
import {OwnerStatus} from "../../contracts/libraries/TrainingSlots.sol";
import {TrainingState} from "../../contracts/libraries/TrainingStates.sol";
import {TrainingTest} from "./TrainingTest.sol";

/// @notice Opening, joining, committing and attesting: who, when, with whose signatures.
contract GradientRoundsTest is TrainingTest {
    // ---- opening -----------------------------------------------------------------------------------

    function test_openingEscrowsEveryRoundAndEmitsTheTerms() public {
        IGradientRounds.TrainingRequest memory request = _asked();
        IGradientRounds.TrainingTerms memory terms = _termsFor(request);
        vm.expectEmit();
        emit IGradientRounds.TrainingOpened(
            1, MODEL_OWNER, _set(), ALGORITHM, request.modelHashes, MODEL_SPEC, terms
        );
        (uint256 id,) = _openWith(request);
        _eq(address(rounds).balance, 3 * (uint256(REWARD) + ROUND_FEE), "the escrow of three rounds");
        IGradientRounds.Training memory now_ = rounds.training(id);
        _true(now_.termsHash == keccak256(abi.encode(terms)), "hash of the terms");
        _true(now_.inputRoot == bytes32(bytes20(now_.termsHash)), "the chain begins with the terms");
        _eq(now_.round, 1, "round");
        _eq(now_.phaseEndSec, START + JOIN, "end of joining");
        _inState(id, TrainingState.Joining);
    }

    function test_openingRefusesWhatCannotBecomeATraining() public {
        IGradientRounds.TrainingRequest memory request = _asked();
        request.rounds = 0;
        _refusedOpening(request, abi.encodeWithSelector(IGradientRounds.RoundsOutOfRange.selector, 0, 65_534));
        request.rounds = 65_535;
        _refusedOpening(request, abi.encodeWithSelector(IGradientRounds.RoundsOutOfRange.selector, 65_535, 65_534));
        request = _asked();
        request.reward = 0;
        _refusedOpening(request, abi.encodeWithSelector(IGradientRounds.RewardMissing.selector));
        request = _asked();
        request.minOwners = 4;
        _refusedOpening(request, abi.encodeWithSelector(IGradientRounds.OwnerLimitsInvalid.selector, 4, 6, 1));
        request = _asked();
        request.maxOwners = 4;
        _refusedOpening(request, abi.encodeWithSelector(IGradientRounds.OwnerLimitsInvalid.selector, 5, 4, 1));
        request = _asked();
        request.fee -= 1;
        _refusedOpening(
            request, abi.encodeWithSelector(IGradientRounds.FeeTooSmall.selector, ROUND_FEE - 1, ROUND_FEE)
        );
        request = _asked();
        request.reward = type(uint96).max / 3;
        uint256 cost = 3 * (uint256(request.reward) + request.fee);
        _refusedOpening(request, abi.encodeWithSelector(IGradientRounds.EscrowTooLarge.selector, cost));
        request.rounds = 1;
        request.reward = type(uint96).max - request.fee;
        vm.deal(MODEL_OWNER, type(uint96).max);
        _openWith(request);
        for (uint256 i; i < 3; ++i) {
            uint32[4] memory durations = [uint32(59), 60, 30 days, 30 days + 1];
            for (uint256 j; j < 4; ++j) {
                request = _asked();
                if (i == 0) request.joinSec = durations[j];
                if (i == 1) request.commitSec = durations[j];
                if (i == 2) request.attestSec = durations[j];
                if (j == 1 || j == 2) _openWith(request);
                else _refusedOpening(
                    request,
                    abi.encodeWithSelector(IGradientRounds.PhaseOutOfRange.selector, durations[j], 60, 30 days)
                );
            }
        }
    }

    // ---- joining and leaving -----------------------------------------------------------------------

    function test_joiningUntilTheLastSecondAndTheLastPlace() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        vm.warp(START + JOIN + 1);
        _refusedJoin(id, terms, 0, abi.encodeWithSelector(IGradientRounds.PhaseOver.selector, id, START + JOIN));
        vm.warp(START + JOIN);
        _joinAll(id, terms, 6);
        _refusedJoin(id, terms, 6, abi.encodeWithSelector(IGradientRounds.TrainingFull.selector, id, 6));
        _eq(rounds.training(id).owners, 6, "owners");
        _eq(address(rounds).balance, _cost(terms) + 6 * uint256(DEPOSIT), "deposits");
    }

    function test_anAccountJoinsOnceAndWithTheTermsOfTheTraining() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _join(id, terms, 0);
        _refusedJoin(id, terms, 0, _wrongStatus(id, 0, OwnerStatus.Joined));
        vm.prank(_owner(0));
        rounds.leaveTraining(id);
        _refusedJoin(id, terms, 0, _wrongStatus(id, 0, OwnerStatus.Left));
        bytes memory original = abi.encode(terms);
        for (uint256 word; word < 16; ++word) {
            IGradientRounds.TrainingTerms memory changed =
                abi.decode(_flipped(original, word), (IGradientRounds.TrainingTerms));
            _refusedJoin(
                id, changed, 1, abi.encodeWithSelector(IGradientRounds.TrainingTermsMismatch.selector, id)
            );
        }
    }

    function test_everyStepNeedsTheTermsOfTheTraining() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        IGradientRounds.TrainingTerms memory others = _termsFor(_asked());
        // More of everything, and the same signers: what whoever sends it could gain by.
        (others.reward, others.deposit, others.minOwners) = (REWARD * 2, DEPOSIT * 2, 1);
        bytes memory mismatch = abi.encodeWithSelector(IGradientRounds.TrainingTermsMismatch.selector, id);
        _joinAll(id, terms, 5);
        vm.warp(START + JOIN + 1);
        vm.expectRevert(mismatch);
        rounds.startRound(id, others);
        rounds.startRound(id, terms);
        for (uint256 i; i < 5; ++i) _commitUpdate(id, i);
        _refusedAttestation(others, _roundAttestation(id, keccak256("payouts")), mismatch);
        IGradientRounds.RoundFailure[2] memory notices = _roundFailures(id, 1, 1, 2);
        vm.expectRevert(mismatch);
        rounds.fail(id, others, notices);
        vm.warp(block.timestamp + COMMIT + ATTEST + 1);
        vm.expectRevert(mismatch);
        rounds.expire(id, others);
        rounds.expire(id, terms);
        vm.expectRevert(mismatch);
        rounds.refund(id, others);
        vm.warp(block.timestamp + EVIDENCE + 1);
        vm.expectRevert(mismatch);
        rounds.withdraw(id, others, _owner(0));
        rounds.refund(id, terms);
        rounds.withdraw(id, terms, _owner(0));
    }

    function test_leavingUntilOneHasCommittedAndThenAfterTheRound() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _joinAll(id, terms, 6);
        _start(id, terms);
        _commitUpdate(id, 0);
        vm.prank(_owner(0));
        vm.expectRevert(
            abi.encodeWithSelector(IGradientRounds.UpdateCommittedBefore.selector, id, _owner(0), 1)
        );
        rounds.leaveTraining(id);
        vm.prank(_owner(5));
        rounds.leaveTraining(id);
        _eq(rounds.training(id).owners, 5, "one less");
        for (uint256 i = 1; i < 5; ++i) _commitUpdate(id, i);
        // The five that are left have committed, so nobody is waited for.
        _attestRound(id, terms, keccak256("payouts"));
        vm.prank(_owner(0));
        rounds.leaveTraining(id);
        _hasStatus(id, _owner(0), OwnerStatus.Left);
        _eq(rounds.training(id).owners, 4, "two less");
    }

    // ---- rounds ------------------------------------------------------------------------------------

    function test_aRoundStartsAfterTheJoiningOrWhenFull() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _joinAll(id, terms, 4);
        vm.warp(START + JOIN);
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.OwnersTooFew.selector, id, 4, 5));
        rounds.startRound(id, terms);
        _join(id, terms, 4);
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.PhaseOpen.selector, id, START + JOIN));
        rounds.startRound(id, terms);
        (uint256 full, IGradientRounds.TrainingTerms memory same) = _opened();
        _joinAll(full, same, 6);
        rounds.startRound(full, same);
        uint256 lastSec = START + JOIN + COMMIT;
        vm.warp(lastSec + 1);
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.PhaseOver.selector, id, lastSec));
        rounds.startRound(id, terms);
        vm.warp(lastSec);
        vm.expectEmit();
        emit IGradientRounds.RoundStarted(id, 1, 5, lastSec + COMMIT);
        rounds.startRound(id, terms);
        _inState(id, TrainingState.Committing);
    }

    function test_aCommitmentBindsChainContractTrainingRoundAndOwner() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _joinAll(id, terms, 5);
        _start(id, terms);
        bytes32[3] memory hashes = _hashes("update", 0);
        bytes32 chain = bytes32(bytes20(keccak256(abi.encode(terms))));
        // Two that commit the same ciphertexts do not have the same commitment.
        for (uint256 i; i < 2; ++i) {
            bytes32 root = _root(id, 1, _owner(i), hashes);
            chain = bytes32(bytes20(keccak256(abi.encode(chain, root))));
            vm.expectEmit();
            emit IGradientRounds.UpdateCommitted(id, 1, _owner(i), hashes, root, chain);
            vm.prank(_owner(i));
            rounds.commit(id, 1, hashes);
            IGradientRounds.DataOwner memory owner = rounds.dataOwner(id, _owner(i));
            _true(owner.commitmentTag == uint192(bytes24(root)) && owner.round == 1, "tag and round");
            _true(rounds.training(id).inputRoot == chain, "the chain");
            _eq(rounds.training(id).committed, i + 1, "commitments");
        }
    }

    function test_oneCommitmentARoundInItsTimeByWhoHasJoined() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _joinAll(id, terms, 5);
        _refusedCommit(id, 1, 0, _wrongState(id, TrainingState.Joining, TrainingState.Committing));
        _start(id, terms);
        uint256 lastSec = rounds.training(id).phaseEndSec;
        _refusedCommit(id, 2, 0, abi.encodeWithSelector(IGradientRounds.RoundWrong.selector, id, 2, 1));
        _refusedCommit(id, 1, 6, _wrongStatus(id, 6, OwnerStatus.None));
        vm.warp(lastSec);
        _commitUpdate(id, 0);
        _refusedCommit(
            id, 1, 0, abi.encodeWithSelector(IGradientRounds.UpdateCommittedBefore.selector, id, _owner(0), 1)
        );
        vm.warp(lastSec + 1);
        _refusedCommit(id, 1, 1, abi.encodeWithSelector(IGradientRounds.PhaseOver.selector, id, lastSec));
    }

    function test_threeRoundsFinishATraining() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _joinAll(id, terms, 5);
        for (uint256 round = 1; round <= 3; ++round) {
            _eq(rounds.training(id).round, round, "round");
            _start(id, terms);
            for (uint256 i; i < 5; ++i) _commitUpdate(id, i);
            vm.recordLogs();
            _attestRound(id, terms, keccak256(abi.encode(round)));
            _eq(vm.getRecordedLogs().length, round < 3 ? 1 : 2, "the last round says that it is the last");
            (uint256 unclaimed, bytes32 outcome) = rounds.roundPurse(id, round);
            _eq(unclaimed, uint256(REWARD) + ROUND_FEE, "the round's money");
            _true(outcome == keccak256(abi.encode(keccak256(abi.encode(round)), address(0))), "outcome");
            if (round < 3) _eq(rounds.training(id).committed, 0, "nothing is committed yet");
        }
        _inState(id, TrainingState.Finished);
        _eq(rounds.training(id).phaseEndSec, block.timestamp, "the end");
    }

    // ---- attestations ------------------------------------------------------------------------------

    function test_attestingWhenAllCommittedOrTheTimeIsOverUntilTheLastSecond() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _joinAll(id, terms, 6);
        _start(id, terms);
        uint256 commitEndSec = rounds.training(id).phaseEndSec;
        for (uint256 i; i < 4; ++i) _commitUpdate(id, i);
        _refusedAttestation(
            terms,
            _roundAttestation(id, keccak256("payouts")),
            abi.encodeWithSelector(IGradientRounds.OwnersTooFew.selector, id, 4, 5)
        );
        _commitUpdate(id, 4);
        IGradientRounds.RoundAttestation memory attestation = _roundAttestation(id, keccak256("payouts"));
        vm.warp(commitEndSec);
        _refusedAttestation(
            terms, attestation, abi.encodeWithSelector(IGradientRounds.PhaseOpen.selector, id, commitEndSec)
        );
        vm.warp(commitEndSec + ATTEST + 1);
        _refusedAttestation(
            terms, attestation, abi.encodeWithSelector(IGradientRounds.PhaseOver.selector, id, commitEndSec + ATTEST)
        );
        vm.warp(commitEndSec + ATTEST);
        _attestWith(terms, attestation);
        _refusedAttestation(
            terms, attestation, _wrongState(id, TrainingState.Joining, TrainingState.Committing)
        );
    }

    function test_anAttestationIsAboutTheRoundAndItsCommitments() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        IGradientRounds.RoundAttestation memory good = _roundAttestation(id, keccak256("payouts"));
        IGradientRounds.RoundAttestation memory bad = _roundAttestation(id, keccak256("payouts"));
        bad.round = 2;
        _refusedAttestation(terms, bad, abi.encodeWithSelector(IGradientRounds.RoundWrong.selector, id, 2, 1));
        bad.round = 1;
        bad.inputRoot = bytes32(uint256(good.inputRoot) | 1);
        _refusedAttestation(
            terms,
            bad,
            abi.encodeWithSelector(IGradientRounds.InputRootMismatch.selector, id, bad.inputRoot, good.inputRoot)
        );
        bad.inputRoot = good.inputRoot;
        for (uint256 i; i < 2; ++i) {
            bad.acceptedCount = i == 0 ? 0 : 6;
            _refusedAttestation(
                terms,
                bad,
                abi.encodeWithSelector(IGradientRounds.AcceptedCountInvalid.selector, id, bad.acceptedCount, 5)
            );
        }
        bad.acceptedCount = 1;
        _attestWith(terms, bad);
    }

    function test_allThreeSignEveryFieldAtTheirPoint() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        IGradientRounds.RoundAttestation memory attestation = _roundAttestation(id, keccak256("payouts"));
        bytes32 digest = _roundDigest(attestation);
        for (uint256 i; i < 3; ++i) {
            bytes32[2][3] memory signatures = _signAll(digest);
            signatures[i] = signatures[(i + 1) % 3];
            _refusedSignatures(terms, attestation, signatures, i);
            signatures[i] = [bytes32(0), bytes32(0)];
            _refusedSignatures(terms, attestation, signatures, i);
        }
        bytes memory original = abi.encode(attestation);
        bytes32[2][3] memory good = _signAll(digest);
        for (uint256 word = 3; word < 6; ++word) {
            bytes memory changed = _flipped(original, word);
            _refusedSignatures(terms, abi.decode(changed, (IGradientRounds.RoundAttestation)), good, 0);
        }
    }

    function test_signaturesHoldForOneTrainingRoundContractAndChain() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        (uint256 twin, IGradientRounds.TrainingTerms memory same) = _opened();
        IGradientRounds.RoundAttestation memory attestation = _roundAttestation(id, keccak256("payouts"));
        bytes32 structHash = _roundHash(attestation);
        _joinAll(twin, same, 5);
        _start(twin, same);
        for (uint256 i; i < 5; ++i) _commitUpdate(twin, i);
        IGradientRounds.RoundAttestation memory others = _roundAttestation(twin, keccak256("payouts"));
        _true(others.inputRoot != attestation.inputRoot, "other commitments");
        _refusedSignatures(same, others, _signAll(_roundDigest(attestation)), 0);
        _refusedSignatures(terms, attestation, _signAll(_digest(_domainOf(1, address(rounds)), structHash)), 0);
        _refusedSignatures(terms, attestation, _signAll(_digest(_domain(), structHash)), 0);
        bytes32[2][3] memory signatures = _signAll(_digest(_roundDomain(), structHash));
        vm.chainId(block.chainid + 1);
        _refusedSignatures(terms, attestation, signatures, 0);
        vm.chainId(block.chainid - 1);
        rounds.attest(terms, attestation, signatures);
        // The same numbers for the round after.
        _start(id, terms);
        for (uint256 i; i < 5; ++i) _commitUpdate(id, i);
        IGradientRounds.RoundAttestation memory next = _roundAttestation(id, keccak256("payouts"));
        _refusedSignatures(terms, next, signatures, 0);
    }

    // ---- refusals as the tests expect them ---------------------------------------------------------

    function _refusedOpening(IGradientRounds.TrainingRequest memory request, bytes memory reason) private {
        uint256 sentWei = _cost(_termsFor(request));
        vm.deal(MODEL_OWNER, sentWei);
        vm.expectRevert(reason);
        vm.prank(MODEL_OWNER);
        rounds.open{value: sentWei}(request);
        vm.deal(MODEL_OWNER, 100 ether);
    }

    function _refusedJoin(uint256 id, IGradientRounds.TrainingTerms memory terms, uint256 i, bytes memory reason)
        private
    {
        vm.prank(_owner(i));
        vm.expectRevert(reason);
        rounds.join{value: DEPOSIT}(id, terms);
    }

    function _refusedCommit(uint256 id, uint256 round, uint256 i, bytes memory reason) private {
        vm.prank(_owner(i));
        vm.expectRevert(reason);
        rounds.commit(id, round, _hashes("another", i));
    }

    function _refusedAttestation(
        IGradientRounds.TrainingTerms memory terms,
        IGradientRounds.RoundAttestation memory attestation,
        bytes memory reason
    ) private {
        bytes32[2][3] memory signatures = _signAll(_roundDigest(attestation));
        vm.expectRevert(reason);
        rounds.attest(terms, attestation, signatures);
    }

    function _refusedSignatures(
        IGradientRounds.TrainingTerms memory terms,
        IGradientRounds.RoundAttestation memory attestation,
        bytes32[2][3] memory signatures,
        uint256 index
    ) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IGradientRounds.RoundSignatureInvalid.selector, attestation.training, index + 1, terms.signers[index]
            )
        );
        rounds.attest(terms, attestation, signatures);
    }

    function _wrongState(uint256 id, TrainingState state, TrainingState needed) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IGradientRounds.TrainingStateWrong.selector, id, state, needed);
    }

    function _wrongStatus(uint256 id, uint256 i, OwnerStatus status) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IGradientRounds.OwnerStatusWrong.selector, id, _owner(i), status);
    }
}
